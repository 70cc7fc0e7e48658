//! Templates of messages.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{MailContent, MessageKind, Occasion, device::device, words::MessageText};

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
    /// The HTML version of the text.
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
    fn render(&self, letter: &MailContent) -> RenderedMail {
        let translated = self.table(letter.locale.as_deref()).map(|table| table(letter.kind));
        let words = translated.or(letter.words).unwrap_or_else(|| english(letter.kind));
        let minutes = letter.minutes.to_string();
        let [before, after] = [words.before, words.after]
            .map(|text| filled(text.replace("{minutes}", &minutes), &letter.values));
        let mut parts = vec![before.clone()];
        let mut html = vec![format!("<p>{}</p>", escape(&before))];
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
            html.push(format!("<p><a href=\"{link}\">{link}</a></p>"));
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

/// Returns the lines with the time, the client and the object of an event.
fn facts(about: &Occasion) -> Vec<String> {
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let fact =
        |name: &str, value: &Option<String>| Some(format!("{name}: {}", line(value.as_deref()?)));
    let known = [
        fact("What", &about.what),
        fact("When", &about.at.map(minute)),
        fact("Network address", &about.ip),
        fact("Device", &about.user_agent.as_deref().map(device)),
    ];
    let items =
        about.items.iter().map(|(item, at)| format!("{}, since {}", line(item), minute(*at)));
    known.into_iter().flatten().chain(items).collect()
}

/// Returns text from a request as a single line, without control characters, line separators, and
/// characters that change the direction of text.
fn line(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns the built-in English text.
///
/// ```
/// use authlayer::{MessageKind, mail::english};
///
/// assert_eq!(english(MessageKind::SignInCode).subject, "Your sign-in code");
/// ```
pub fn english(kind: MessageKind) -> MessageText {
    const CODE: &str = "It is valid for {minutes} minutes. If you did not request it, your email \
        address may have been typed by mistake; do not share the code.";
    const NOT_YOU: &str = "If this was not you, set a new password at once.";
    let (subject, before, after) = match kind {
        MessageKind::SignUpCode => ("Your sign-up code", "Your code to finish signing up:", CODE),
        MessageKind::SignInCode => ("Your sign-in code", "Your code to sign in:", CODE),
        MessageKind::SignInLink => (
            "Your code and link to sign in",
            "Enter this code to sign in, or open the link in the same browser:",
            "Both are valid for {minutes} minutes, and one of them works once. If you did not \
            request them, there is nothing to do; do not share the code or the link.",
        ),
        MessageKind::ChangeCode => {
            ("Your code to change the password", "Your code to change the password:", CODE)
        }
        MessageKind::EmailChangeCode => {
            ("Confirm your new email address", "Your code to confirm this address:", CODE)
        }
        MessageKind::StepUpCode => {
            ("Confirm that it is you", "Your code to confirm that it is you:", CODE)
        }
        MessageKind::AlreadyRegistered => (
            "You already have an account",
            "There was an attempt to sign up with this email address. It already has an account: \
            sign in, or set a new password if you have forgotten yours.",
            "If this was not you, there is nothing to do.",
        ),
        MessageKind::ResetLink => (
            "Set a new password",
            "Open this link to set a new password:",
            "It is valid for {minutes} minutes and works once. If you did not request it, there \
            is nothing to do: your password is unchanged.",
        ),
        MessageKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and all other devices were signed out.",
            NOT_YOU,
        ),
        MessageKind::EmailChanged => (
            "Your email address was changed",
            "The email address of your account was changed. If this was not you, revert it here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeRequested => (
            "A change of your email address was requested",
            "A change of the email address of your account was requested. If this was not you, \
            stop it here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeUndone => (
            "A change of an email address was reverted",
            "The change of the email address of an account was reverted, and every device was \
            signed out.",
            "",
        ),
        MessageKind::AccountDeleted => (
            "Your account was deleted",
            "Your account was deleted with everything that belonged to it.",
            "If this was not you, contact the operator of this service.",
        ),
        MessageKind::ApiKeyCreated => (
            "An API key was created",
            "An API key that acts for your account was created.",
            NOT_YOU,
        ),
        MessageKind::ApiKeyRevoked => {
            ("An API key was revoked", "An API key of your account was revoked.", NOT_YOU)
        }
        MessageKind::FactorAdded => {
            ("A sign-in method was added", "A sign-in method was added to your account.", NOT_YOU)
        }
        MessageKind::FactorRemoved => (
            "A sign-in method was removed",
            "A sign-in method was removed from your account.",
            NOT_YOU,
        ),
        MessageKind::RecoveryCodeUsed => (
            "A recovery code was used",
            "A recovery code of your account was used to sign in.",
            NOT_YOU,
        ),
        MessageKind::RecoveryCode => {
            ("Your code to recover your account", "Your code to begin the recovery:", CODE)
        }
        MessageKind::RecoveryRequested => (
            "A recovery of your account was requested",
            "In a day, the device that requested it can change your account without its strongest \
            sign-in method. If this was not you, stop it here:",
            "The link is valid for 48 hours. It stops the recovery and signs out every device.",
        ),
        MessageKind::RecoveryAvailable => (
            "The recovery of your account is available",
            "For a day, the device that requested the recovery can change your account without its \
            strongest sign-in method. Replace what you have lost.",
            "If this was not you, open the link in the earlier message, or set a new password at \
            once.",
        ),
        MessageKind::TwoStepChanged => (
            "Two-step verification was changed",
            "Two-step verification of your account was turned on or off.",
            NOT_YOU,
        ),
        MessageKind::DeviceForgotten => (
            "A remembered device was forgotten",
            "A device that you signed in from is asked for a second factor again.",
            NOT_YOU,
        ),
        MessageKind::IdentityLinked => {
            ("An account was linked", "An account at a provider can now sign you in.", NOT_YOU)
        }
        MessageKind::NewDevice => (
            "A new device signed in",
            "Your account was used to sign in from a device that it was not used on before.",
            NOT_YOU,
        ),
        MessageKind::Locked => (
            "Signing in with your password is paused",
            "Many wrong passwords were tried for your account. For a day your password is only \
            accepted on devices that you used before.",
            "If you need to sign in elsewhere, use a passkey or a linked account, or set a new \
            password.",
        ),
        MessageKind::RefreshReuse => (
            "A device was signed out",
            "A token of your account was used again after it had been replaced. That device has \
            been signed out; sign in there again.",
            NOT_YOU,
        ),
        // The flow registers its own text.
        MessageKind::Custom(_) => ("A message about your account", "", ""),
    };
    MessageText { subject, before, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Email;

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
            what: Some("passkey \"e\u{85}f\"".to_owned()),
            items: vec![("API key \"g\u{2029}h\"".to_owned(), Timestamp::UNIX_EPOCH)],
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
