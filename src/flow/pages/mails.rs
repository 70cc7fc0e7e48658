//! Emails with the words and the theme of the pages.

use std::{fmt, sync::Arc};

use minijinja::context;

use super::{
    Pages, PagesService,
    calls::{MessageCall, MessageWith},
    messages::Argument,
    words::Language,
};
use crate::{
    config::ConfigError,
    mail::{
        DefaultTemplates, MailContent, MailObject, MessageKind, Occasion, RenderedMail, Templates,
        capitalized, device_parts, is_web_link, line, minute, unlinked,
    },
    model::Email,
};

/// Renders emails as text and HTML with the words and the theme of [`Pages`](super::Pages), from
/// [`Pages::mail_templates`](super::Pages::mail_templates).
///
/// ```
/// use authlayer::{AuthBuilder, flow::pages::MailTemplates};
///
/// fn configure(builder: AuthBuilder, templates: MailTemplates) -> AuthBuilder {
///     builder.templates(templates)
/// }
/// ```
#[derive(Clone)]
pub struct MailTemplates {
    pages: PagesService,
    /// The URL of the logo.
    logo: Option<Arc<str>>,
}

impl Pages {
    /// Returns the templates of emails with these words and this theme, for an application that has
    /// pages of its own: it passes them to [`templates`](crate::AuthBuilder::templates). The flow
    /// `Pages` uses them by itself.
    ///
    /// ```
    /// # fn example() -> Result<(), authlayer::ConfigError> {
    /// use authlayer::{Pages, Theme};
    /// let theme = Theme::new("Example").logo("https://app.example.com/logo.png");
    /// let templates = Pages::new(theme).mail_templates("https://app.example.com")?;
    /// # Ok(()) }
    /// # example().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Flow`] if the words, the theme or a template is invalid, or an email cannot be
    /// rendered in one of the languages.
    pub fn mail_templates(self, origin: &str) -> Result<MailTemplates, ConfigError> {
        let service = PagesService::new(String::new(), self);
        let templates = service.and_then(|service| MailTemplates::new(service, origin));
        templates.map_err(|problem| ConfigError::Flow { flow: "pages".to_owned(), problem })
    }
}

impl MailTemplates {
    /// Returns the templates, or the first email that cannot be rendered.
    pub(super) fn new(pages: PagesService, origin: &str) -> Result<Self, String> {
        let logo = pages.theme().logo.as_deref().map(|logo| match logo.starts_with('/') {
            true => format!("{}{logo}", origin.trim_end_matches('/')),
            false => logo.to_owned(),
        });
        let logo = logo.filter(|logo| is_web_link(logo)).map(Arc::from);
        let own = Self { pages, logo };
        let to = Email::parse("ada@example.com").map_err(|error| error.to_string())?;
        for language in own.pages.words().all() {
            for kind in MessageKind::ALL {
                let sample = MailContent::sample(*kind, to.clone());
                own.try_render(&sample, language)
                    .map_err(|problem| format!("emails in `{}`: {problem}", language.tag))?;
            }
        }
        Ok(own)
    }

    fn try_render(&self, mail: &MailContent, language: &Language) -> Result<RenderedMail, String> {
        let app = line(&self.pages.theme().name);
        let Texts { subject, before, after } = Texts::of(mail, language, &app)?;
        let greeting = mail
            .name
            .as_deref()
            .map(|name| sentence(language, &GREETING.with([Argument::Text(unlinked(name))])));
        let greeting = greeting.transpose()?;
        let facts = facts(&mail.about, language)?;
        let items = items(&mail.about, language)?;
        let mut lines: Vec<_> =
            facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
        lines.extend(items.iter().cloned());
        let lines = Some(lines.join("\n"));
        let blocks = [&greeting, &Some(before.clone()), &mail.code, &mail.link, &after, &lines]
            .map(Clone::clone);
        let blocks = Vec::from_iter(blocks.into_iter().flatten().filter(|own| !own.is_empty()));
        let facts: Vec<_> = facts.iter().map(|(label, value)| context! { label, value }).collect();
        let values = context! {
            lang => language.tag.as_str(), dir => language.direction(), t => language.function(),
            app, logo => self.logo.as_deref(), kind => mail.kind.as_str(), subject => subject.as_str(), greeting,
            before, code => mail.code.as_deref(), link => mail.link.as_deref(),
            link_is_safe => mail.link.as_deref().is_some_and(is_web_link),
            after, facts, items, blocks,
        };
        let text = self.pages.render_mail("mail.txt", values.clone())?;
        let html = self.pages.render_mail("mail.html", values)?;
        Ok(RenderedMail { subject, text: text.trim_end().to_owned() + "\n", html })
    }
}

impl Templates for MailTemplates {
    fn render(&self, mail: &MailContent) -> RenderedMail {
        let language = self.pages.words().negotiate(None, mail.locale.as_deref(), None);
        self.try_render(mail, &language).unwrap_or_else(|problem| {
            let kind = mail.kind.as_str();
            tracing::error!(kind, problem, "an email was rendered by the default templates");
            DefaultTemplates::default().render(mail)
        })
    }

    fn has_language(&self, tag: &str) -> bool {
        self.pages.words().find(tag).is_some()
    }
}

impl fmt::Debug for MailTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailTemplates").field("logo", &self.logo).finish_non_exhaustive()
    }
}

/// The words of one email.
struct Texts {
    subject: String,
    before: String,
    after: Option<String>,
}

impl Texts {
    /// Returns the words of the language, or those that the flow of the message registered.
    fn of(mail: &MailContent, language: &Language, app: &str) -> Result<Self, String> {
        let kind = mail.kind.as_str();
        let shared = || [Argument::Number(mail.minutes), Argument::Text(app.to_owned())];
        let subject = SUBJECT.of(kind, shared());
        if let Some(words) = mail.words.filter(|_| !language.has(&subject)) {
            let [before, after] = words.filled(mail);
            let after = Some(after).filter(|own| !own.is_empty());
            return Ok(Self { subject: words.subject.to_owned(), before, after });
        }
        let value = |value: &serde_json::Value| match (value.as_u64(), value.as_str()) {
            (Some(number), _) => Argument::Number(number),
            (None, Some(text)) => Argument::Text(line(text)),
            (None, None) => Argument::Text(line(&value.to_string())),
        };
        let own = || mail.values.iter().map(|(name, own)| (name.as_str(), value(own)));
        // Without a link the change is one by an administrator, which the user cannot undo.
        let is_act = mail.kind == MessageKind::EmailChanged && mail.link.is_none();
        let kind = if is_act { CHANGED_BY_ADMINISTRATOR } else { kind };
        let after = AFTER.of(kind, shared());
        Ok(Self {
            // A header has no marks of direction.
            subject: line(&sentence(language, &subject.and(own()))?),
            before: sentence(language, &BEFORE.of(kind, shared()).and(own()))?,
            after: match language.has(&after) {
                true => Some(sentence(language, &after.and(own()))?),
                false => None,
            },
        })
    }
}

fn sentence(language: &Language, message: &MessageWith<'_>) -> Result<String, String> {
    let found = language.sentence(message);
    found.ok_or_else(|| format!("there is no message `{}`, or it lacks a value", message.id))
}

/// Returns the object, the time and the client of an event, each with its label.
fn facts(about: &Occasion, language: &Language) -> Result<Vec<(String, String)>, String> {
    let device = about.user_agent.as_deref().map(|agent| device(agent, language)).transpose()?;
    let what = about.what.as_ref().map(|what| object(what, language)).transpose()?;
    let known = [
        (WHAT, what),
        (WHEN, about.at.map(minute)),
        (NETWORK, about.ip.as_deref().map(line)),
        (DEVICE, device),
    ];
    let known = known.into_iter().filter_map(|(label, value)| Some((label, value?)));
    known.map(|(label, value)| Ok((sentence(language, &label.with([]))?, value))).collect()
}

/// Returns the words for an object.
fn object(object: &MailObject, language: &Language) -> Result<String, String> {
    let named =
        |message: MessageCall<1>, name: &str| message.with([Argument::Text(unlinked(name))]);
    let message = match object {
        MailObject::Password => PASSWORD.with([]),
        MailObject::RecoveryCodes => RECOVERY_CODES.with([]),
        MailObject::Passkey(name) => named(PASSKEY, name),
        MailObject::SecurityKey(name) => named(SECURITY_KEY, name),
        MailObject::AuthenticatorApp(name) => named(AUTHENTICATOR_APP, name),
        MailObject::ApiKey(name) => named(API_KEY, name),
        MailObject::ProviderSignIn(provider) => named(PROVIDER, provider),
        MailObject::AnyProviderSignIn => ANY_PROVIDER.with([]),
        MailObject::OtherCredential => OTHER_CREDENTIAL.with([]),
        MailObject::Text(text) => return Ok(unlinked(text)),
    };
    sentence(language, &message)
}

/// Returns the items that a message lists.
fn items(about: &Occasion, language: &Language) -> Result<Vec<String>, String> {
    let item = |(item, at): &(MailObject, _)| {
        let item = Argument::Text(capitalized(&object(item, language)?));
        sentence(language, &ITEM.with([item, Argument::Text(minute(*at))]))
    };
    about.items.iter().map(item).collect()
}

/// Returns the name of a device for a page.
pub(super) fn device_name(agent: &str, language: &Language) -> String {
    device(agent, language).unwrap_or_default()
}

/// Returns the name of a device, which contains nothing of the header.
fn device(agent: &str, language: &Language) -> Result<String, String> {
    let (program, system) = device_parts(agent);
    let program = match program {
        Some("an application") => Some(sentence(language, &APPLICATION.with([]))?),
        other => other.map(ToOwned::to_owned),
    };
    match (program, system) {
        (Some(program), Some(system)) => {
            let values = [Argument::Text(program), Argument::Text(system.to_owned())];
            sentence(language, &DEVICE_ON.with(values))
        }
        (Some(program), None) => Ok(program),
        (None, Some(system)) => Ok(system.to_owned()),
        (None, None) => sentence(language, &UNKNOWN_DEVICE.with([])),
    }
}

const GREETING: MessageCall<1> = MessageCall::new("mail-greeting", ["name"]);
const SUBJECT: MessageCall<2> = MessageCall::new("mail-*-subject", ["minutes", "app"]);
const BEFORE: MessageCall<2> = MessageCall::new("mail-*-before", ["minutes", "app"]);
/// The kind in the ids of the texts for a change of the email address by an administrator.
const CHANGED_BY_ADMINISTRATOR: &str = "notice-email-changed-by-administrator";
const AFTER: MessageCall<2> = MessageCall::new("mail-*-after", ["minutes", "app"]);
const ITEM: MessageCall<2> = MessageCall::new("mail-item", ["item", "date"]);
const WHAT: MessageCall<0> = MessageCall::new("mail-what-label", []);
const WHEN: MessageCall<0> = MessageCall::new("mail-when-label", []);
const NETWORK: MessageCall<0> = MessageCall::new("mail-network-label", []);
const DEVICE: MessageCall<0> = MessageCall::new("mail-device-label", []);
const DEVICE_ON: MessageCall<2> = MessageCall::new("mail-device-on", ["program", "system"]);
const APPLICATION: MessageCall<0> = MessageCall::new("mail-device-application", []);
const UNKNOWN_DEVICE: MessageCall<0> = MessageCall::new("mail-device-unknown", []);
const PASSWORD: MessageCall<0> = MessageCall::new("mail-object-password", []);
const RECOVERY_CODES: MessageCall<0> = MessageCall::new("mail-object-recovery-codes", []);
const PASSKEY: MessageCall<1> = MessageCall::new("mail-object-passkey", ["name"]);
const SECURITY_KEY: MessageCall<1> = MessageCall::new("mail-object-security-key", ["name"]);
const AUTHENTICATOR_APP: MessageCall<1> = MessageCall::new("mail-object-app", ["name"]);
const API_KEY: MessageCall<1> = MessageCall::new("mail-object-api-key", ["name"]);
const PROVIDER: MessageCall<1> = MessageCall::new("mail-object-provider", ["name"]);
const ANY_PROVIDER: MessageCall<0> = MessageCall::new("mail-object-any-provider", []);
const OTHER_CREDENTIAL: MessageCall<0> = MessageCall::new("mail-object-other", []);

#[cfg(test)]
mod tests;
