//! The language of comments, messages and documents: the terms of the field.

use std::{fs, path::Path};

use super::tracked;

/// Words that have a plain or a standard term in their place.
const AVOIDED: [&str; 6] =
    ["somebody", "nobody", "whoever", "whomever", "without a word", "told of"];
/// Words that begin a riddle in place of a noun phrase or a verb.
const BEGINNINGS: [&str; 4] = ["Who ", "What ", "Whoever ", "Whom "];

/// Returns text without what stands in backticks: names and values.
fn prose(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// Returns the prose of a line, if it has any: a comment, a message of an error or of the log, or
/// a line of a document.
fn prose_of(line: &str, is_document: bool) -> Option<String> {
    if is_document {
        return Some(prose(line));
    }
    let is_message = ["#[error(", "tracing::", "println!("].iter().any(|own| line.contains(own));
    match line.find("//") {
        Some(at) if !line[..at].contains('"') => Some(prose(&line[at..])),
        _ => is_message.then(|| prose(line)),
    }
}

/// Returns what is wrong with a line.
fn problem(line: &str, is_document: bool) -> Option<String> {
    let text = prose_of(line, is_document)?;
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric() && c != '\'').collect();
    let spaced = format!(" {} ", words.join(" "));
    let avoided = AVOIDED.iter().find(|word| spaced.contains(&format!(" {word} ")));
    let doc = text.strip_prefix("/// ").or_else(|| text.strip_prefix("//! "));
    let begins = doc.and_then(|doc| BEGINNINGS.iter().find(|word| doc.starts_with(**word)));
    avoided.or(begins).map(|word| (*word).to_owned())
}

#[test]
fn prose_uses_the_terms_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = tracked();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in &files {
        let is_document = file.ends_with(".md");
        let is_code = [".rs", ".js", ".ts", ".mjs"].iter().any(|end| file.ends_with(end));
        if !(is_document || is_code) || file.as_str() == "tests/architecture/words.rs" {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(root.join(file)).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = problem(line.trim_start(), is_document) {
                wrong.push(format!("{file}:{}: {word}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(count > 300, "only {count} files were read");
    assert!(
        wrong.is_empty(),
        "use the terms of the field (CONTRIBUTING.md, rule 14):\n{}",
        wrong.join("\n")
    );
}

#[test]
fn words_are_found_in_prose_and_not_in_names() {
    for (line, is_document, found) in [
        ("/// Tells somebody.", false, true),
        ("//! Who may pass.", false, true),
        ("/// What is stored.", false, true),
        ("let nobody = 1;", false, false),
        ("let nobody = 1; // nobody is signed in", false, true),
        ("/// The principal `Anonymous::\"nobody\"`.", false, false),
        ("#[error(\"whoever asks\")]", false, true),
        ("tracing::warn!(\"somebody\");", false, true),
        ("Nobody can read it.", true, true),
        ("The user `nobody`.", true, false),
        ("// What follows is generated.", false, false),
    ] {
        assert_eq!(problem(line, is_document).is_some(), found, "{line}");
    }
}
