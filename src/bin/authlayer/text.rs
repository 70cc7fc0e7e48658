//! Text of users and of errors, made safe for a terminal.

use std::fmt::Write;

use serde_json::Value;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Joins letters or emoji, which is harmless.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// Returns text with every character escaped that a terminal could interpret or that changes the order
/// of the text: control characters with line breaks, directional overrides, other invisible
/// characters.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => cleaned.push_str("\\n"),
            '\r' => cleaned.push_str("\\r"),
            '\t' => cleaned.push_str("\\t"),
            c if is_unsafe(c) => drop(write!(cleaned, "\\u{{{:x}}}", u32::from(c))),
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// Like [`clean`], but line breaks remain.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

fn is_unsafe(c: char) -> bool {
    !JOINERS.contains(&c)
        && matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
        )
}

/// Returns JSON without characters that a terminal interprets: JSON itself escapes only those below
/// U+0020.
pub(crate) fn escaped(value: &Value) -> String {
    let json = value.to_string();
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !c.is_ascii_control()
            || clean(c.encode_utf8(&mut [0; 4])).len() == c.len_utf8()
        {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped += &format!("\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// Returns the number of columns of a text.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Returns the beginning of a text that fits into a number of columns, with an ellipsis if it is not
/// the whole text.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut short, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > columns {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_no_characters_that_a_terminal_interprets() {
        let value = json!({ "name": "Zoë\u{1b}\u{9b}\u{202e}\u{7f}\u{e0041}" });
        let text = escaped(&value);
        assert_eq!(text, r#"{"name":"Zoë\u001b\u009b\u202e\u007f\udb40\udc41"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn characters_that_a_terminal_interprets_are_escaped() {
        for (text, cleaned) in [
            ("Ada\u{1b}]0;title\u{7}", "Ada\\u{1b}]0;title\\u{7}"),
            ("\u{202e}nimda", "\\u{202e}nimda"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            ("line\nbreak\r\t", "line\\nbreak\\r\\t"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{2028}b\u{ad}\u{feff}", "a\\u{2028}b\\u{ad}\\u{feff}"),
            ("Zoë 李 می\u{200c}خواهم 👩\u{200d}🚀", "Zoë 李 می\u{200c}خواهم 👩\u{200d}🚀"),
        ] {
            assert_eq!(clean(text), cleaned);
        }
        assert_eq!(clean_lines("one\ntwo\u{1b}"), "one\ntwo\\u{1b}");
    }

    #[test]
    fn wide_text_is_shortened_by_columns() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("李李李", 5), "李李…");
        assert_eq!(width(&shorten("李李李", 4)), 3);
    }
}
