//! Tests of the words of the pages.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::mail::MessageKind;

/// Returns the ids of a file, with the variables of each message itself.
fn messages(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((id, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
            id.clone_into(&mut current);
            assert!(found.insert(current.clone(), BTreeSet::new()).is_none(), "{id} twice");
        }
        for rest in line.split('$').skip(1) {
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            found.get_mut(&current).unwrap().insert(name.to_owned());
        }
    }
    found
}

/// Returns all templates or all Rust files of the pages.
fn sources(extension: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow/pages");
    let mut text = String::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

/// Returns the string literals of code.
fn literals(code: &str) -> Vec<String> {
    code.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Returns the names of the arguments after the id, at the beginning of a text.
fn named_arguments(rest: &str) -> BTreeSet<String> {
    let (mut depth, mut end, mut is_text) = (0, 0, false);
    for (at, c) in rest.char_indices() {
        match c {
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text && depth == 0 => {
                end = at;
                break;
            }
            ')' if !is_text => depth -= 1,
            _ => {}
        }
    }
    let arguments = rest[..end].split(',').filter_map(|own| own.split_once('='));
    arguments.map(|(name, _)| name.trim().to_owned()).collect()
}

/// Returns all calls of messages, with the names of their values: `t` in templates, and the
/// declarations in code, without which a message cannot be formatted.
fn calls() -> Vec<(String, BTreeSet<String>)> {
    let templates = sources("html");
    let in_templates = templates.split("t(\"").skip(1).map(|rest| {
        let (id, rest) = rest.split_once('"').unwrap();
        (id.to_owned(), named_arguments(rest))
    });
    let code = sources("rs");
    let declared = code.split(concat!("MessageCall", "::new(")).skip(1).map(|rest| {
        let mut all = literals(rest.split_once(')').unwrap().0).into_iter();
        (all.next().unwrap(), all.collect())
    });
    let constants = code.split(concat!("constant", "(\"")).skip(1);
    let constants =
        constants.map(|rest| (literals(&format!("\"{rest}")).remove(0), BTreeSet::new()));
    in_templates.chain(declared).chain(constants).collect()
}

/// Returns whether a message belongs to the family of an id with `*`.
fn is_of(id: &str, family: &str) -> bool {
    let (before, after) = family.split_once('*').unwrap_or((family, ""));
    family.contains('*') && id.starts_with(before) && id.ends_with(after)
}

#[test]
fn every_value_is_given_by_the_code_and_used_in_every_language() {
    let words = Words::new(&[], None).unwrap();
    let calls = calls();
    assert!(calls.len() > 180, "{} calls were found", calls.len());
    let ids: Vec<_> = messages(BUILT_IN[0].1).into_keys().collect();
    for (id, _) in calls.iter().filter(|(id, _)| !id.contains('*')) {
        assert!(ids.contains(id), "{id} is called, and there is no such message");
    }
    for language in words.all() {
        let tag = &language.tag;
        let variables = |id: &str| -> BTreeSet<String> {
            language.messages.variables(id).into_iter().map(ToOwned::to_owned).collect()
        };
        for id in &ids {
            let used = variables(id);
            let exact: Vec<_> = calls.iter().filter(|(own, _)| own == id).collect();
            for (_, given) in &exact {
                assert_eq!(&used, given, "{tag}: the values of {id}");
            }
            let family = calls.iter().find(|(own, _)| is_of(id, own));
            let is_part = BUILT_IN[0].1.contains(&format!("{{ {id} }}"));
            match family.filter(|_| exact.is_empty()) {
                Some((_, given)) => assert!(used.is_subset(given), "{tag}: {id} lacks a value"),
                None => assert!(!exact.is_empty() || is_part, "{id} is not used"),
            }
        }
        for (family, given) in calls.iter().filter(|(id, _)| id.contains('*')) {
            let (prefix, _) = family.split_once('*').unwrap();
            // The name of the application is for words of the application.
            for name in given.iter().filter(|name| *name != "app") {
                let mut all = ids.iter().filter(|id| id.starts_with(prefix));
                assert!(all.any(|id| variables(id).contains(name)), "{tag}: {family} {name}");
            }
        }
    }
}

/// Returns the message for too many attempts.
fn attempts(language: &Language, minutes: u64) -> String {
    let values = vec![("minutes", Argument::Number(minutes))];
    language.message(&MessageWith { id: "error-too-many-attempts".to_owned(), values }).unwrap()
}

#[test]
fn every_message_exists_in_every_language_with_its_placeholders() {
    let [(_, english), others @ ..] = BUILT_IN;
    let english = messages(english);
    assert!(english.len() > 100);
    for (tag, text) in others {
        let own = messages(text);
        for (id, placeholders) in &english {
            assert_eq!(own.get(id), Some(placeholders), "{tag}: {id}");
        }
        assert_eq!(own.len(), english.len(), "{tag} has messages that English lacks");
    }
    assert!(Words::new(&[], None).is_ok());
}

#[test]
fn every_error_of_a_page_has_words() {
    let english = messages(BUILT_IN[0].1);
    // Errors of routes that only scripts and programs call.
    let others = [
        "invalid_refresh_token",
        "invalid_device_proof",
        "invalid_dpop_proof",
        "no_passkey",
        "passkey_taken",
    ];
    for kind in crate::error::ErrorKind::ALL.iter().filter(|kind| !others.contains(&kind.code())) {
        let id = format!("error-{}", kind.code().replace('_', "-"));
        assert!(english.contains_key(&id), "{id}");
    }
}

#[test]
fn words_with_unknown_values_are_errors() {
    let build = |text: &str| Words::new(&[("de".to_owned(), text.to_owned())], None);
    let unknown = build("sign-in-lead = Hallo { $nmae }").unwrap_err();
    assert!(unknown.contains("`de`") && unknown.contains("`sign-in-lead`"), "{unknown}");
    assert!(unknown.contains("$nmae"), "{unknown}");
    assert!(build("part = { $x }\nsign-in-title = { part }").is_err(), "through a reference");
    for text in [
        "sign-in-lead = { $app }",
        "sign-in-lead = Hallo",
        "error-rate-limited = { $minutes }",
        "error-forbidden = In { $minutes }",
        "own = { $anything }",
    ] {
        assert!(build(text).is_ok(), "{text}");
    }
}

/// A mark that isolates the direction of a name is visible or harmful in a code, a title or an
/// attribute.
#[test]
fn only_sentences_isolate_their_values() {
    for (tag, text) in BUILT_IN {
        for (id, placeholders) in messages(text) {
            let is_label = id.ends_with("-title") || id.ends_with("-label");
            assert!(!is_label || placeholders.is_empty(), "{tag}: {id}");
        }
    }
    let words = Words::new(&[], None).unwrap();
    let sent = attempts(words.find("en").unwrap(), 3);
    assert_eq!(sent, "Too many attempts. Try again in \u{2068}3\u{2069} minutes.");
}

#[test]
fn language_is_negotiated() {
    let words =
        Words::new(&[("nl".to_owned(), "sign-in-title = Inloggen".to_owned())], None).unwrap();
    let pick = |query, locale, accept| words.negotiate(query, locale, accept).tag.clone();
    for (query, locale, accept, expected) in [
        (None, None, None, "en"),
        (Some("de"), Some("fr"), Some("es"), "de"),
        (Some("xx"), Some("fr"), Some("es"), "fr"),
        (Some("de-AT"), None, None, "de"),
        (Some("AR"), None, None, "ar"),
        (None, Some("xx"), Some("xx, es;q=0.5"), "es"),
        (None, None, Some("en;q=0.1, fr;q=0.9"), "fr"),
        (None, None, Some("ja;q=0, de;q=0.3"), "de"),
        (None, None, Some("ja;q=2, de;q=x, fr;q=0.1"), "fr"),
        (None, None, Some("*"), "en"),
        (Some("nl"), None, None, "nl"),
        (Some("\"><script>"), None, None, "en"),
    ] {
        assert_eq!(pick(query, locale, accept), expected, "{query:?} {locale:?} {accept:?}");
    }
    let many = "xx,".repeat(16) + "de";
    assert_eq!(pick(None, None, Some(&many)), "en");
    let dutch = words.find("nl").unwrap();
    assert_eq!(dutch.constant("sign-in-title").as_deref(), Some("Inloggen"));
    assert!(dutch.constant("sign-up-title").is_some(), "English is the fallback");
}

#[test]
fn arabic_has_six_plural_forms_and_is_written_from_right_to_left() {
    let words = Words::new(&[], None).unwrap();
    let arabic = words.find("ar").unwrap();
    assert_eq!(arabic.direction(), "rtl");
    let forms: BTreeSet<_> = [0, 1, 2, 3, 11, 100]
        .map(|n| attempts(arabic, n))
        .into_iter()
        .map(|text| text.chars().filter(|c| !c.is_numeric()).collect::<String>())
        .collect();
    assert!(forms.len() >= 4, "{forms:?}");
}

#[test]
fn invalid_messages_are_errors() {
    let error =
        |tag: &str, text: &str| Words::new(&[(tag.to_owned(), text.to_owned())], None).unwrap_err();
    assert!(error("not a tag", "").contains("not a tag"));
    assert!(error("de", "= broken").contains("Fluent"));
}

/// Returns the id of the messages of a kind of email.
fn mail_id(kind: MessageKind) -> String {
    format!("mail-{}", kind.as_str().replace('_', "-"))
}

#[test]
fn every_mail_has_words_and_every_word_belongs_to_a_mail() {
    let english = messages(BUILT_IN[0].1);
    let mut used = BTreeSet::new();
    for kind in MessageKind::ALL {
        let id = mail_id(*kind);
        for part in ["subject", "before"] {
            assert!(english.contains_key(&format!("{id}-{part}")), "{id}-{part}");
        }
        used.extend(["subject", "before", "after"].map(|part| format!("{id}-{part}")));
    }
    // The email about a new address has other texts if an administrator changed it.
    let by_administrator = "mail-notice-email-changed-by-administrator";
    used.extend(["before", "after"].map(|part| format!("{by_administrator}-{part}")));
    let is_part = |id: &str| ["-subject", "-before", "-after"].iter().any(|end| id.ends_with(end));
    for id in english.keys().filter(|id| id.starts_with("mail-") && is_part(id)) {
        assert!(used.contains(id), "{id} is not used");
    }
}

#[test]
fn guide_has_the_text_of_every_mail() {
    let guide = include_str!("../../../../guide/mails.md");
    let words = Words::new(&[], None).unwrap();
    let english = words.find("en").unwrap();
    for kind in MessageKind::ALL {
        for part in ["subject", "before", "after"] {
            let id = format!("{}-{part}", mail_id(*kind));
            let values = vec![("minutes", Argument::Number(10))];
            let message = MessageWith { id, values };
            let Some(text) = english.sentence(&message) else {
                assert!(!english.has(&message), "{message:?}");
                continue;
            };
            let id = &message.id;
            assert!(guide.contains(&text), "{id}: {text}");
        }
    }
}
