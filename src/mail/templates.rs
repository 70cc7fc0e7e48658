//! Templates of messages.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    MailContent, MailObject, MessageKind, Occasion,
    device::device,
    english::{EMAIL_CHANGED_BY_ADMINISTRATOR, english},
    words::MessageText,
};
use crate::model::Email;

/// A rendered message.
///
/// ```
/// use authlayer::mail::{DefaultTemplates, MailContent, RenderedMail, Templates};
///
/// fn with_signature(content: &MailContent) -> RenderedMail {
///     let mut mail = DefaultTemplates::default().render(content);
///     mail.text.push_str("\n\nExample Ltd.");
///     mail
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML version of the text. If it is empty, the message is sent as plain text only.
    pub html: String,
}

/// The text and the HTML contain codes and links, so they are not printed.
impl fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedMail").finish_non_exhaustive()
    }
}

/// Renders messages.
///
/// ```
/// use authlayer::mail::{MailContent, RenderedMail, Templates};
///
/// struct CodeOnly;
///
/// impl Templates for CodeOnly {
///     fn render(&self, content: &MailContent) -> RenderedMail {
///         let text = content.code.clone().unwrap_or_default();
///         RenderedMail { subject: "Example".to_owned(), html: text.clone(), text }
///     }
/// }
/// ```
pub trait Templates: Send + Sync + 'static {
    /// Renders the content of one message.
    fn render(&self, letter: &MailContent) -> RenderedMail;

    /// Returns whether there is a text in a language. By it, the language of a message to an
    /// unregistered user is selected from `Accept-Language`; by default every tag is accepted.
    fn has_language(&self, tag: &str) -> bool {
        let _any = tag;
        true
    }
}

/// Returns the text of a kind of message in one language.
pub type Translations = fn(MessageKind) -> MessageText;

/// Renders plain text and HTML from a table of texts per language. English is built in.
///
/// ```
/// use authlayer::{MessageKind, mail::{DefaultTemplates, MessageText, english}};
///
/// fn german(kind: MessageKind) -> MessageText {
///     match kind {
///         MessageKind::SignInCode => MessageText { subject: "Ihr Code", ..english(kind) },
///         _ => english(kind),
///     }
/// }
/// let templates = DefaultTemplates::default().language("de", german);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DefaultTemplates {
    languages: BTreeMap<String, Translations>,
}

impl DefaultTemplates {
    /// Adds a language by its tag, for example `de` or `pt-br`. It is used for messages whose
    /// `locale` is this tag or begins with it and `-`.
    #[must_use]
    pub fn language(mut self, tag: &str, table: Translations) -> Self {
        self.languages.insert(tag.to_ascii_lowercase(), table);
        self
    }

    /// Returns the table of the most specific language that matches the locale, if any.
    fn table(&self, locale: Option<&str>) -> Option<Translations> {
        let mut tag = locale.unwrap_or_default().to_ascii_lowercase();
        loop {
            if let Some(table) = self.languages.get(&tag) {
                return Some(*table);
            }
            match tag.rfind('-') {
                Some(end) => tag.truncate(end),
                None => return None,
            }
        }
    }
}

impl Templates for DefaultTemplates {
    fn has_language(&self, tag: &str) -> bool {
        let is_english =
            tag.split(['-', '_']).next().is_some_and(|own| own.eq_ignore_ascii_case("en"));
        is_english || self.table(Some(tag)).is_some()
    }

    fn render(&self, letter: &MailContent) -> RenderedMail {
        let translated = self.table(letter.locale.as_deref()).map(|table| table(letter.kind));
        // Without a link the change is one by an administrator, which the user cannot undo.
        let is_act = letter.kind == MessageKind::EmailChanged && letter.link.is_none();
        let built_in =
            || if is_act { EMAIL_CHANGED_BY_ADMINISTRATOR } else { english(letter.kind) };
        let words = translated.or(letter.words).unwrap_or_else(built_in);
        let [before, after] = words.filled(letter);
        let greeting = letter.name.as_ref().map(|name| format!("Hello {},", unlinked(name)));
        let mut parts = Vec::from_iter(greeting);
        parts.push(before);
        let mut html: Vec<_> =
            parts.iter().map(|part| format!("<p>{}</p>", escape(part))).collect();
        if let Some(code) = &letter.code {
            parts.push(code.clone());
            html.push(format!(
                "<p style=\"font-size:2em;letter-spacing:.2em\"><strong>{}</strong></p>",
                escape(code)
            ));
        }
        if let Some(link) = &letter.link {
            parts.push(link.clone());
            let link = escape(link);
            html.push(if is_web_link(&link) {
                format!("<p><a href=\"{link}\">{link}</a></p>")
            } else {
                format!("<p>{link}</p>")
            });
        }
        if !after.is_empty() {
            html.push(format!("<p>{}</p>", escape(&after)));
            parts.push(after);
        }
        let facts = facts(&letter.about);
        if !facts.is_empty() {
            let lines: Vec<_> = facts.iter().map(|fact| escape(fact)).collect();
            html.push(format!("<p>{}</p>", lines.join("<br>")));
            parts.push(facts.join("\n"));
        }
        let text = parts.join("\n\n") + "\n";
        RenderedMail { subject: words.subject.to_owned(), text, html: html.join("\n") }
    }
}

impl MessageText {
    /// Returns the texts before and after the code with the values of the message.
    pub(crate) fn filled(&self, letter: &MailContent) -> [String; 2] {
        let minutes = letter.minutes.to_string();
        [self.before, self.after]
            .map(|text| filled(text.replace("{minutes}", &minutes), &letter.values))
    }
}

/// Returns whether a URL can be a link in a message: `https`, or `http` on loopback.
pub(crate) fn is_web_link(url: &str) -> bool {
    let local = ["localhost", "127.0.0.1", "[::1]"];
    let is_local = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        local.iter().any(|own| {
            let port = host.strip_prefix(own);
            port.is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        })
    };
    url.starts_with("https://") || url.strip_prefix("http://").is_some_and(is_local)
}

/// Returns text that a user typed as a single line that mail programs do not turn into a link: a
/// space separates the parts of a URL or a host name. An email address stays as it is.
pub(crate) fn unlinked(text: &str) -> String {
    let text = line(text);
    if Email::parse(&text).is_ok() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let is_linked = match (c, rest.peek()) {
            ('.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}', Some(next)) => next.is_alphabetic(),
            (':', Some('/')) => true,
            _ => false,
        };
        out.extend(is_linked.then_some(' '));
    }
    out
}

/// Returns a text with the values of the message in place of their names in braces.
fn filled(text: String, values: &Map<String, Value>) -> String {
    let mut rest = text.as_str();
    let mut all = String::new();
    // A value that contains the name of another one is not replaced again.
    while let Some((before, from)) = rest.split_once('{') {
        all.push_str(before);
        let named = from.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        match named {
            Some((value, after)) => {
                all.push_str(&line(value.as_str().unwrap_or(&value.to_string())));
                rest = after;
            }
            None => {
                all.push('{');
                rest = from;
            }
        }
    }
    all + rest
}

/// Returns a time for messages.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Returns the lines with the time, the client and the object of an event.
fn facts(about: &Occasion) -> Vec<String> {
    let fact = |name: &str, value: &Option<String>| Some(format!("{name}: {}", value.as_deref()?));
    let known = [
        fact("What", &about.what.as_ref().map(|what| unlinked(&what.to_string()))),
        fact("When", &about.at.map(minute)),
        fact("Network address", &about.ip.as_deref().map(line)),
        fact("Device", &about.user_agent.as_deref().map(device)),
    ];
    let item = |(item, at): &(MailObject, _)| {
        format!("{}, since {}", capitalized(&unlinked(&item.to_string())), minute(*at))
    };
    let items = about.items.iter().map(item);
    known.into_iter().flatten().chain(items).collect()
}

/// Returns an item of a list with a capital letter.
pub(crate) fn capitalized(item: &str) -> String {
    let mut rest = item.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest.as_str().chars()).collect()
}

/// Returns text from a request as a single line, without control characters, line separators, and
/// characters that change the direction of text.
pub(crate) fn line(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(kind: MessageKind) -> MailContent {
        MailContent::new(kind, Email::parse("ada@example.com").unwrap())
    }

    #[test]
    fn every_message_kind_has_a_text_with_its_data() {
        for kind in MessageKind::ALL {
            let letter =
                letter(*kind).with_code("012345", 10).with_link("https://x/#t=<".into(), 10);
            let RenderedMail { subject, text, html } = DefaultTemplates::default().render(&letter);
            assert!(!subject.is_empty() && !subject.contains('\n'), "{kind:?}");
            assert!(text.contains("012345") && text.contains("https://x/#t=<"), "{kind:?}");
            assert!(html.contains("012345") && html.contains("#t=&lt;"), "{kind:?}");
            assert!(!text.contains("{minutes}"), "{kind:?}");
        }
    }

    #[test]
    fn request_data_cannot_add_lines_to_a_message() {
        let about = Occasion {
            ip: Some("a\r\nb\u{2028}c\u{202e}d<i>".to_owned()),
            what: Some(MailObject::Passkey("e\u{85}f".to_owned())),
            items: vec![(MailObject::ApiKey("g\u{2029}h".to_owned()), Timestamp::UNIX_EPOCH)],
            ..Occasion::default()
        };
        let letter = letter(MessageKind::FactorAdded).about(about);
        let RenderedMail { text, html, .. } = DefaultTemplates::default().render(&letter);
        let lines = "What: passkey \"ef\"\nNetwork address: abcd<i>\nAPI key \"gh\", since 1970-01-01 00:00 UTC\n";
        assert!(text.ends_with(lines), "{text}");
        assert!(html.contains("<br>Network address: abcd&lt;i&gt;<br>"), "{html}");
    }

    #[test]
    fn values_replace_their_names_once_and_stay_on_one_line() {
        let mut letter = letter(MessageKind::Custom("card"));
        letter.words = Some(MessageText { subject: "Card", before: "{a} of {b} {c}", after: "" });
        letter.values.insert("a".to_owned(), "x\r\n{b}<i>".into());
        letter.values.insert("b".to_owned(), 2.into());
        let RenderedMail { text, html, .. } = DefaultTemplates::default().render(&letter);
        assert_eq!(text, "x{b}<i> of 2 {c}\n");
        assert_eq!(html, "<p>x{b}&lt;i&gt; of 2 {c}</p>");
    }

    #[test]
    fn language_is_selected_by_the_longest_matching_tag() {
        let table = |kind| MessageText { subject: "Ihr Code", ..english(kind) };
        let templates = DefaultTemplates::default().language("de", table);
        for (locale, subject) in [
            (Some("de-AT"), "Ihr Code"),
            (Some("DE"), "Ihr Code"),
            (Some("fr"), "Your sign-in code"),
            (None, "Your sign-in code"),
        ] {
            let letter = letter(MessageKind::SignInCode).in_language(locale);
            assert_eq!(templates.render(&letter).subject, subject);
        }
    }
}
