//! Templates of one language, in which the calls of `t` for a text without values are replaced by
//! the text itself, before the template is compiled.

use super::{escape::escaped, words::Language};

/// Replaces the calls of `t` for messages without variables by their text. A template that uses the
/// name `t` in another way stays as it is, and so does one with raw blocks.
pub(super) fn localized(source: &str, language: &Language, is_html: bool) -> String {
    replaced(source, language, is_html).unwrap_or_else(|| source.to_owned())
}

fn replaced(source: &str, language: &Language, is_html: bool) -> Option<String> {
    let mut out = String::with_capacity(source.len() * 2);
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let (text, tag) = rest.split_at(at);
        out.push_str(text);
        let close = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => {
                let end = tag.find("#}")? + 2;
                out.push_str(tag.get(..end)?);
                rest = tag.get(end..)?;
                continue;
            }
            _ => {
                out.push('{');
                rest = tag.get(1..)?;
                continue;
            }
        };
        let (open, inside) = tag.split_at(2);
        let end = end_of(inside, close)?;
        let (code, after) = inside.split_at(end);
        if close == "%}" && code.trim_matches(['-', '+', ' ', '\n']) == "raw" {
            return None;
        }
        let sole = call(code.trim()).filter(|(_, after)| close == "}}" && after.is_empty());
        let sole = sole.and_then(|(id, _)| raw(id, language, is_html));
        match sole {
            Some(text) => out.push_str(&text),
            None => {
                out.push_str(open);
                expressions(code, language, &mut out)?;
                out.push_str(close);
            }
        }
        rest = after.get(2..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// Returns the position of the end of a tag, outside of strings and braces.
fn end_of(code: &str, close: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(rest) = code.get(at..) {
        if depth == 0 && rest.starts_with(close) {
            return Some(at);
        }
        let next = rest.chars().next()?;
        at += match next {
            '"' | '\'' => string_len(rest)?,
            _ => next.len_utf8(),
        };
        match next {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// Returns the length of the string literal at the beginning of a text.
fn string_len(text: &str) -> Option<usize> {
    let mut all = text.char_indices();
    let (_, quote) = all.next()?;
    while let Some((at, c)) = all.next() {
        if c == '\\' {
            all.next()?;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Splits a call of `t` with only an id at the beginning of a text into the id and the rest.
fn call(code: &str) -> Option<(&str, &str)> {
    let (id, rest) = code.strip_prefix("t(\"")?.split_once('"')?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    Some((id, rest.strip_prefix(')')?)).filter(|_| is_id)
}

/// Copies code, with string literals in place of the calls. Returns `None` if `t` is another thing.
fn expressions(code: &str, language: &Language, out: &mut String) -> Option<()> {
    let mut rest = code;
    let mut last = ' ';
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '"' | '\'' => string_len(rest)?,
            _ if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        // An attribute or a filter of this name is another thing.
        let is_function = token == "t" && !['.', '|'].contains(&last);
        if is_function && !after.starts_with('(') {
            return None;
        }
        let called = call(rest).filter(|_| is_function);
        let text = called.and_then(|(id, after)| Some((language.constant(id)?, after)));
        match text {
            Some((text, after)) => {
                out.push_str(&literal(&text));
                rest = after;
            }
            None => {
                out.push_str(token);
                rest = after;
            }
        }
        last = if c.is_whitespace() { last } else { c };
    }
    Some(())
}

/// Returns a message as a part of the template, unless it contains syntax or space at its ends,
/// which templates can trim.
fn raw(id: &str, language: &Language, is_html: bool) -> Option<String> {
    let text = language.constant(id)?;
    let is_plain = !text.is_empty() && !text.contains('{') && text.trim().len() == text.len();
    is_plain.then(|| if is_html { escaped(&text).into_owned() } else { text })
}

/// Returns a text as a string literal of a template.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::{super::words::Words, *};

    const OWN: &str = "a = A & B\nb = { $n } B\nq = \"x\" \\\\ y\ns = { \" \" }S\nc = { \"{{\" }";

    fn language() -> std::sync::Arc<Language> {
        let words = Words::new(&[("en".to_owned(), OWN.to_owned())], None).unwrap();
        words.find("en").unwrap().clone()
    }

    #[test]
    fn texts_without_values_replace_their_calls() {
        for (source, expected) in [
            ("<p>{{ t(\"a\") }}</p>", "<p>A &amp; B</p>"),
            ("{{t(\"a\")}}{{- t(\"a\") }}", "A &amp; B{{- \"A & B\" }}"),
            ("{{ f(t(\"a\"), x=t(\"q\")) }}", "{{ f(\"A & B\", x=\"\\\"x\\\" \\\\\\\\ y\") }}"),
            ("{% if t(\"a\") == x %}{% endif %}", "{% if \"A & B\" == x %}{% endif %}"),
            ("{{ t(\"b\", n=1) }}{{ t(\"b\") }}", "{{ t(\"b\", n=1) }}{{ t(\"b\") }}"),
            ("{{ t(\"none\") }}{{ t(id) }}", "{{ t(\"none\") }}{{ t(id) }}"),
            ("{{ x.t(\"a\") }}{{ x | t(\"a\") }}", "{{ x.t(\"a\") }}{{ x | t(\"a\") }}"),
            ("{{ \"t(\\\"a\\\") }}\" }}", "{{ \"t(\\\"a\\\") }}\" }}"),
            ("{# {{ t(\"a\") }} #}{ t(\"a\") }", "{# {{ t(\"a\") }} #}{ t(\"a\") }"),
            ("{{ {\"k\": {\"l\": t(\"a\")}} }}", "{{ {\"k\": {\"l\": \"A & B\"}} }}"),
            ("{{ t(\"s\") }}{{ t(\"c\") }}", "{{ \" S\" }}{{ \"{{\" }}"),
            ("{% raw %}{{ t(\"a\") }}{% endraw %}", "{% raw %}{{ t(\"a\") }}{% endraw %}"),
            (
                "{% for t in x %}{{ t(\"a\") }}{% endfor %}",
                "{% for t in x %}{{ t(\"a\") }}{% endfor %}",
            ),
            ("{{ t(\"a\") ", "{{ t(\"a\") "),
        ] {
            assert_eq!(localized(source, &language(), true), expected, "{source}");
        }
        assert_eq!(localized("{{ t(\"a\") }}", &language(), false), "A & B");
    }
}
