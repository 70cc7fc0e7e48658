//! Templates of messages.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use super::{Letter, MessageKind, Occasion, device::device, words::Words};

/// A rendered message.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML version of the text.
    pub html: String,
}

/// The text and the HTML contain codes and links, so they are not printed.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").finish_non_exhaustive()
    }
}

/// Renders messages.
pub trait Templates: Send + Sync + 'static {
    /// Renders the content of one message.
    fn render(&self, letter: &Letter) -> Rendered;
}

/// Returns the text of a kind of message in one language.
pub type Table = fn(MessageKind) -> Words;

/// Renders plain text and HTML from a table of texts per language. English is built in.
#[derive(Clone, Debug, Default)]
pub struct BuiltIn {
    languages: BTreeMap<String, Table>,
}

impl BuiltIn {
    /// Adds a language by its tag, for example `de` or `pt-br`. It is used for messages whose
    /// `locale` is this tag or begins with it and `-`.
    #[must_use]
    pub fn language(mut self, tag: &str, table: Table) -> Self {
        self.languages.insert(tag.to_ascii_lowercase(), table);
        self
    }

    /// Returns the table of the most specific language that matches the locale, if any.
    fn table(&self, locale: Option<&str>) -> Option<Table> {
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

impl Templates for BuiltIn {
    fn render(&self, letter: &Letter) -> Rendered {
        let translated = self.table(letter.locale.as_deref()).map(|table| table(letter.kind));
        let words = translated.or(letter.words).unwrap_or_else(|| english(letter.kind));
        let minutes = letter.minutes.to_string();
        let [before, after] = [words.before, words.after].map(|t| t.replace("{minutes}", &minutes));
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
        Rendered { subject: words.subject.to_owned(), text, html: html.join("\n") }
    }
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
pub fn english(kind: MessageKind) -> Words {
    const CODE: &str = "It is good for {minutes} minutes. If you did not ask for it, your address may \
        have been typed by mistake; do not share the code.";
    const NOT_YOU: &str = "If this was not you, set a new password at once.";
    let (subject, before, after) = match kind {
        MessageKind::SignUpCode => ("Your sign-up code", "Your code to finish signing up:", CODE),
        MessageKind::SignInCode => ("Your sign-in code", "Your code to sign in:", CODE),
        MessageKind::ChangeCode => {
            ("Your code to change the password", "Your code to change the password:", CODE)
        }
        MessageKind::EmailChangeCode => {
            ("Confirm your new address", "Your code to confirm this address:", CODE)
        }
        MessageKind::StepUpCode => {
            ("Confirm that it is you", "Your code to confirm that it is you:", CODE)
        }
        MessageKind::AlreadyRegistered => (
            "You have an account already",
            "There was an attempt to sign up with this address. It has an account already: sign \
            in, or set a new password if you have forgotten yours.",
            "If this was not you, there is nothing to do.",
        ),
        MessageKind::ResetLink => (
            "Set a new password",
            "Open this link to set a new password:",
            "It is good for {minutes} minutes and works once. If you did not ask for it, there is \
            nothing to do: your password is as it was.",
        ),
        MessageKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and all other devices were signed out.",
            NOT_YOU,
        ),
        MessageKind::EmailChanged => (
            "Your address was changed",
            "The address of your account was changed. If this was not you, take it back here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeRequested => (
            "A change of your email address was requested",
            "A change of the email address of your account was requested. If this was not you, \
            stop it here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeUndone => (
            "A change of an email address was undone",
            "The change of the email address of an account was undone, and every device was \
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
            ("A way to sign in was added", "A way to sign in was added to your account.", NOT_YOU)
        }
        MessageKind::FactorRemoved => (
            "A way to sign in was removed",
            "A way to sign in was removed from your account.",
            NOT_YOU,
        ),
        MessageKind::RecoveryCodeUsed => (
            "A recovery code was used",
            "A recovery code of your account was used to sign in.",
            NOT_YOU,
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
            ("An account was linked", "An account elsewhere can now sign you in.", NOT_YOU)
        }
        MessageKind::NewDevice => (
            "A new device signed in",
            "Your account was signed in to from a device that it was not used on before.",
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
            "A copy of a key to your account was used that was no longer good. That device has \
            been signed out; sign in there again.",
            NOT_YOU,
        ),
        // The flow registers its own text.
        MessageKind::Custom(_) => ("A message about your account", "", ""),
    };
    Words { subject, before, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Email;

    fn letter(kind: MessageKind) -> Letter {
        Letter::new(kind, Email::parse("ada@example.com").unwrap())
    }

    #[test]
    fn every_kind_has_words_and_shows_what_it_carries() {
        for kind in MessageKind::ALL {
            let letter =
                letter(*kind).with_code("012345", 10).with_link("https://x/#t=<".into(), 10);
            let Rendered { subject, text, html } = BuiltIn::default().render(&letter);
            assert!(!subject.is_empty() && !subject.contains('\n'), "{kind:?}");
            assert!(text.contains("012345") && text.contains("https://x/#t=<"), "{kind:?}");
            assert!(html.contains("012345") && html.contains("#t=&lt;"), "{kind:?}");
            assert!(!text.contains("{minutes}"), "{kind:?}");
        }
    }

    #[test]
    fn text_of_a_request_stays_on_its_line() {
        let about = Occasion {
            ip: Some("a\r\nb\u{2028}c\u{202e}d<i>".to_owned()),
            what: Some("passkey \"e\u{85}f\"".to_owned()),
            items: vec![("API key \"g\u{2029}h\"".to_owned(), Timestamp::UNIX_EPOCH)],
            ..Occasion::default()
        };
        let letter = letter(MessageKind::FactorAdded).about(about);
        let Rendered { text, html, .. } = BuiltIn::default().render(&letter);
        let lines = "What: passkey \"ef\"\nNetwork address: abcd<i>\nAPI key \"gh\", since 1970-01-01 00:00 UTC\n";
        assert!(text.ends_with(lines), "{text}");
        assert!(html.contains("<br>Network address: abcd&lt;i&gt;<br>"), "{html}");
    }

    #[test]
    fn a_language_is_found_by_the_longest_tag_that_fits() {
        let table = |kind| Words { subject: "Ihr Code", ..english(kind) };
        let templates = BuiltIn::default().language("de", table);
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
