//! Tests of the words of emails.

use jiff::Timestamp;

use super::*;
use crate::flow::pages::Theme;

fn templates() -> MailTemplates {
    let pages = Pages::new(Theme::new("Example"));
    pages.mail_templates("https://app.example.com").unwrap()
}

/// Returns one object of each kind.
fn objects() -> Vec<MailObject> {
    let name = || "Laptop".to_owned();
    vec![
        MailObject::Password,
        MailObject::RecoveryCodes,
        MailObject::Passkey(name()),
        MailObject::SecurityKey(name()),
        MailObject::AuthenticatorApp(name()),
        MailObject::ApiKey(name()),
        MailObject::ProviderSignIn("fake".to_owned()),
        MailObject::AnyProviderSignIn,
        MailObject::OtherCredential,
        MailObject::from("grace@example.com"),
    ]
}

/// Renders every kind of email in a language, about every kind of object and device.
fn all_mails(language: &str) -> Vec<(&'static str, RenderedMail)> {
    let (templates, objects) = (templates(), objects());
    let agents = ["Firefox/128.0 Windows", "okhttp/5", "unheard of"];
    let mut all = Vec::new();
    for minutes in [1, 10] {
        for (number, kind) in MessageKind::ALL.iter().enumerate() {
            let to = Email::parse("ada@example.com").unwrap();
            let mut mail = MailContent::sample(*kind, to).in_language(Some(language));
            mail.minutes = minutes;
            mail.name = Some("Ada".to_owned());
            mail.about.what = Some(objects[number % objects.len()].clone());
            mail.about.items =
                objects.iter().map(|own| (own.clone(), Timestamp::UNIX_EPOCH)).collect();
            mail.about.user_agent = Some(agents[number % agents.len()].to_owned());
            all.push((kind.as_str(), templates.render(&mail)));
            if *kind == MessageKind::EmailChanged {
                // The change is one by an administrator.
                mail.link = None;
                all.push((kind.as_str(), templates.render(&mail)));
            }
        }
    }
    all
}

/// Returns the texts of English emails, without values and single short words.
fn english_texts() -> Vec<String> {
    let [(_, english), ..] = crate::flow::pages::words::BUILT_IN;
    let (_, mails) = english.split_once("# Mails\n").unwrap();
    let mut texts = Vec::new();
    for line in mails.lines() {
        let text = if line.starts_with("mail-") { line.split_once(" =").unwrap().1 } else { line };
        let text = text.trim_start().trim_start_matches('*');
        let text =
            text.split_once("] ").filter(|_| text.starts_with('[')).map_or(text, |own| own.1);
        let parts = text.split(['{', '}']).map(str::trim);
        let is_text = |own: &&str| {
            let is_code = own.starts_with('$') || own.starts_with("mail-");
            // A word of French, too.
            let is_shared = own.trim_end_matches('.') == "minutes";
            !is_code && !is_shared && own.chars().filter(|c| c.is_alphabetic()).count() >= 4
        };
        texts.extend(parts.filter(is_text).map(ToOwned::to_owned));
    }
    texts
}

#[test]
fn mails_in_another_language_have_no_english_words() {
    let texts = english_texts();
    assert!(texts.len() > 80, "{}", texts.len());
    let english = all_mails("en");
    for text in &texts {
        let is_found =
            |(_, mail): &(_, RenderedMail)| mail.text.contains(text) || mail.subject.contains(text);
        assert!(english.iter().any(is_found), "no English mail has {text:?}");
    }
    for language in templates().pages.words().all().filter(|own| own.tag != "en") {
        for (kind, mail) in all_mails(&language.tag) {
            for text in &texts {
                let RenderedMail { subject, text: plain, html } = &mail;
                let is_found = [subject, plain, html].iter().any(|own| own.contains(text));
                assert!(!is_found, "{} {kind}: {text:?} in {plain}", language.tag);
            }
        }
    }
}

#[test]
fn objects_are_named_in_the_language() {
    for (tag, expected) in [
        ("en", "authenticator app \"Laptop\""),
        ("de", "Authenticator-App „Laptop“"),
        ("es", "aplicación de autenticación «Laptop»"),
        ("fr", "application d’authentification « Laptop »"),
        ("ja", "認証アプリ「Laptop」"),
        ("ar", "تطبيق المصادقة «\u{2068}Laptop\u{2069}»"),
    ] {
        let templates = templates();
        let language = templates.pages.words().find(tag).unwrap();
        let app = MailObject::AuthenticatorApp("Laptop".to_owned());
        assert_eq!(object(&app, language).unwrap(), expected);
    }
    // A link that is a name does not become one.
    let name = MailObject::Passkey("see http://evil.example".to_owned());
    let templates = templates();
    let language = templates.pages.words().find("en").unwrap();
    assert_eq!(object(&name, language).unwrap(), "passkey \"see http: //evil. example\"");
}
