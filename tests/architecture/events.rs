//! The table of event kinds in the guide.

use std::{collections::BTreeSet, fs, path::Path};

use super::{relative, sources};

/// Returns the kinds of the table in `src/event/kind.rs`, with their names in Rust.
fn defined(event: &str) -> Vec<(String, String)> {
    let (_, table) = event.split_once("\nkinds! {\n").unwrap();
    let (table, _) = table.split_once("\n}\n").unwrap();
    let lines = table.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let pairs = lines.map(|line| line.split_once(" = ").unwrap());
    pairs.map(|(own, name)| (own.to_owned(), name.trim_matches(['"', ';']).to_owned())).collect()
}

/// Returns the names of the kinds that a file of this crate defines as an application would.
fn custom(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let found = lines.filter_map(|line| line.split_once("EventKind::custom(\""));
    found.map(|(_, rest)| rest.split('"').next().unwrap()).collect()
}

#[test]
fn guide_lists_every_event_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let kinds = defined(&read("src/event/kind.rs"));
    assert!(kinds.len() > 50);
    let others = sources().into_iter().filter(|file| relative(file) != "event/kind.rs");
    let code: Vec<_> = others.map(|file| fs::read_to_string(file).unwrap()).collect();
    for (own, name) in &kinds {
        let used = format!("EventKind::{own}");
        let names = |text: &String| {
            text.split(&used).skip(1).any(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        let is_used = code.iter().any(names);
        assert!(is_used, "nothing records `{name}`");
    }
    let mut expected: BTreeSet<&str> = kinds.iter().map(|(_, name)| name.as_str()).collect();
    expected.extend(code.iter().flat_map(|text| custom(text)));
    let guide = read("guide/events.md");
    let (_, table) = guide.split_once("| kind | when | `detail` |").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let count = listed.len();
    let listed = BTreeSet::from_iter(listed);
    assert_eq!(count, listed.len(), "a kind is listed twice");
    let missing: Vec<_> = expected.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&expected).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not in the guide: {missing:?}; unknown: {unknown:?}"
    );
}
