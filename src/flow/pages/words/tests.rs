//! Tests of the words of the pages.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::mail::MessageKind;

/// Returns the messages of a file, with the variables of each.
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

/// Returns all files that name messages.
fn sources() -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow/pages");
    let mut text = String::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|own| own.to_str()).unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if ["html", "rs"].contains(&extension) && !path.ends_with("words.rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
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
    assert!(Words::new(&[]).is_ok());
}

#[test]
fn every_message_is_used() {
    let sources = sources();
    for id in messages(BUILT_IN[0].1).keys() {
        let is_computed =
            ["error-", "reason-", "method-", "mail-"].iter().any(|own| id.starts_with(own));
        assert!(is_computed || sources.contains(&format!("\"{id}\"")), "{id} is not used");
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
    let words = Words::new(&[]).unwrap();
    let sent = words.find("en").unwrap().message("error-too-many-attempts", Some(("minutes", 3)));
    assert_eq!(sent.unwrap(), "Too many attempts. Try again in \u{2068}3\u{2069} minutes.");
}

#[test]
fn language_is_negotiated() {
    let words = Words::new(&[("nl".to_owned(), "sign-in-title = Inloggen".to_owned())]).unwrap();
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
    assert_eq!(dutch.message("sign-in-title", None).as_deref(), Some("Inloggen"));
    assert!(dutch.message("sign-up-title", None).is_some(), "English is the fallback");
}

#[test]
fn arabic_has_six_plural_forms_and_is_written_from_right_to_left() {
    let words = Words::new(&[]).unwrap();
    let arabic = words.find("ar").unwrap();
    assert_eq!(arabic.direction(), "rtl");
    let forms: BTreeSet<_> = [0, 1, 2, 3, 11, 100]
        .map(|n| arabic.message("error-too-many-attempts", Some(("minutes", n))).unwrap())
        .into_iter()
        .map(|text| text.chars().filter(|c| !c.is_numeric()).collect::<String>())
        .collect();
    assert!(forms.len() >= 4, "{forms:?}");
}

#[test]
fn invalid_messages_are_errors() {
    let error =
        |tag: &str, text: &str| Words::new(&[(tag.to_owned(), text.to_owned())]).unwrap_err();
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
    let source = include_str!("../mails.rs").to_owned() + BUILT_IN[0].1;
    for id in english.keys().filter(|id| id.starts_with("mail-") && !used.contains(*id)) {
        let is_shared =
            source.contains(&format!("\"{id}\"")) || source.contains(&format!("{{ {id} }}"));
        assert!(is_shared, "{id} is not used");
    }
}

#[test]
fn guide_has_the_text_of_every_mail() {
    let guide = include_str!("../../../../guide/mails.md");
    let words = Words::new(&[]).unwrap();
    let english = words.find("en").unwrap();
    for kind in MessageKind::ALL {
        for part in ["subject", "before", "after"] {
            let id = format!("{}-{part}", mail_id(*kind));
            let Some(text) = english.sentence(&id, &[("minutes", Argument::Number(10))]) else {
                assert!(!english.has(&id), "{id}");
                continue;
            };
            assert!(guide.contains(&text), "{id}: {text}");
        }
    }
}
