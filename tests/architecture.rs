//! The shape of the code: which module may import which, and how long a file may be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

const LONGEST: usize = 300;

/// A place in the tree, what it may use of ours, and the crates it may never use. The
/// first place that a path begins with is its place.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("model/", &["model"], &["axum", "sqlx", "http"]),
    ("clock.rs", &[], &["axum", "sqlx", "http"]),
    ("error.rs", &["model"], &["axum", "sqlx"]),
    ("event.rs", &["model"], &["axum", "sqlx", "http"]),
    ("flight.rs", &[], &["axum", "sqlx", "http"]),
    ("guide.rs", &[], &["axum", "sqlx", "http"]),
    ("network.rs", &[], &["axum", "sqlx", "http"]),
    ("origin.rs", &[], &["axum", "sqlx"]),
    ("policy/", &["model", "policy"], &["axum", "sqlx", "http"]),
    ("redirect.rs", &["error", "origin"], &["axum", "sqlx", "http"]),
    ("outbound/", &["error", "outbound"], &["axum", "sqlx"]),
    (
        "identity/",
        &[
            "auth", "model", "crypto", "error", "store", "clock", "event", "mail", "proof",
            "session", "identity",
        ],
        &["axum", "sqlx", "http"],
    ),
    (
        "audit.rs",
        &["clock", "crypto::random", "erasure", "error", "event", "store"],
        &["axum", "sqlx", "http"],
    ),
    ("hook.rs", &["error", "model"], &["axum", "sqlx", "http"]),
    ("skew.rs", &["auth", "clock", "error", "store"], &["axum", "sqlx", "http"]),
    ("erasure.rs", &["store"], &["axum", "sqlx", "http"]),
    ("sweep.rs", &["auth", "erasure", "error"], &["axum", "sqlx", "http"]),
    ("crypto/", &["model", "error", "clock", "crypto"], &["axum", "sqlx", "http"]),
    ("store/mod.rs", &["model", "error", "crypto::digest", "store"], &["axum", "sqlx", "http"]),
    ("store/changes.rs", &["model"], &["axum", "sqlx", "http"]),
    ("store/account.rs", &["model", "store"], &["axum", "sqlx", "http"]),
    ("store/transition.rs", &["model", "store", "crypto::digest"], &["axum", "sqlx", "http"]),
    ("store/watched.rs", &["model", "store"], &["axum", "sqlx", "http"]),
    ("store/session_limit.rs", &["model"], &["axum", "sqlx", "http"]),
    ("store/event.rs", &["model", "store", "event"], &["axum", "sqlx", "http"]),
    ("store/key.rs", &["model", "store", "crypto::digest"], &["axum", "sqlx", "http"]),
    ("store/table.rs", &["model"], &["axum", "sqlx", "http"]),
    (
        "users/",
        &["model", "crypto::random", "error", "store", "clock", "event", "flight", "users"],
        &["axum", "sqlx", "http"],
    ),
    ("store/challenge.rs", &["model", "store", "crypto::digest"], &["axum", "sqlx", "http"]),
    (
        "store/sql/",
        &["store", "model", "error", "event", "clock", "crypto::digest", "crypto::random"],
        &["axum", "http"],
    ),
    (
        "session/",
        &["model", "crypto", "error", "store", "clock", "event", "flight", "session"],
        &["axum", "sqlx", "http"],
    ),
    (
        "limit.rs",
        &["clock", "crypto", "error", "event", "network", "store"],
        &["axum", "sqlx", "http"],
    ),
    (
        "proof/",
        &[
            "auth", "model", "crypto", "error", "store", "clock", "event", "mail", "limit",
            "session", "proof",
        ],
        &["axum", "sqlx", "http"],
    ),
    ("mail/smtp.rs", &["mail"], &["axum", "sqlx"]),
    (
        "mail/",
        &["model", "crypto", "error", "store", "clock", "event", "mail"],
        &["axum", "sqlx", "http"],
    ),
    ("auth.rs", RINGS, &["axum", "sqlx"]),
    ("builder.rs", RINGS, &["axum", "sqlx"]),
    ("flow/mod.rs", &["auth", "builder"], &["sqlx"]),
    (
        "http/",
        &[
            "auth",
            "session",
            "model",
            "error",
            "event",
            "origin",
            "crypto::token",
            "crypto::secret",
            "crypto::handle",
            "proof",
            "http",
            "network",
            "policy",
        ],
        &["sqlx"],
    ),
    (
        "testing/",
        &["clock", "crypto", "event", "mail", "model", "store", "testing", "users"],
        &["sqlx"],
    ),
    (
        "lib.rs",
        &[
            "audit", "auth", "builder", "error", "event", "flow", "hook", "http", "mail", "limit",
            "model", "network", "origin", "outbound", "policy", "proof", "session", "store",
            "users",
        ],
        &["axum", "sqlx"],
    ),
];

const RINGS: &[&str] = &[
    "audit",
    "hook",
    "auth",
    "builder",
    "clock",
    "event",
    "flow::Flow",
    "flow::Mounted",
    "flow::self",
    "identity",
    "redirect",
    "limit",
    "mail",
    "network",
    "proof",
    "origin",
    "session",
    "skew",
    "store",
    "sweep",
    "users",
    "error",
    "model",
];
const SERVICE: &[&str] = &[
    "auth", "builder", "model", "crypto", "session", "mail", "limit", "proof", "error", "event",
    "store", "clock", "identity", "outbound", "users",
];
const ROUTES: &[&str] = &["http", "auth", "error", "model", "proof::TICKET_LIFE"];

#[test]
fn imports_point_inwards() {
    let mut wrong = Vec::new();
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let (ours, never) = rules(&path);
        for used in uses(&text) {
            let allowed = |list: &[&str]| list.iter().any(|prefix| is_within(&used, prefix));
            if let Some(own) = used.strip_prefix("crate::") {
                if !ours.iter().any(|prefix| is_within(own, prefix)) {
                    wrong.push(format!("{path} uses {used}"));
                }
            } else if allowed(&never) {
                wrong.push(format!("{path} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the import table:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_three_hundred_lines_of_code() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines =
            before_tests.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//"));
        let count = lines.count();
        assert!(count <= LONGEST, "{} has {count} lines of code", relative(&file));
    }
}

#[test]
fn conditional_compilation_stays_at_the_doors() {
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let door = path == "lib.rs" || path.ends_with("mod.rs");
        assert!(door || !text.contains("#[cfg(feature"), "{path} has a cfg of its own");
    }
}

/// Whoever decides by the time is given it, so that nobody who sets the machine's clock decides.
#[test]
fn the_clock_of_the_machine_is_read_in_few_places() {
    let places = ["builder.rs", "clock.rs", "store/sql/migrate/mod.rs", "testing/"];
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let may = places.iter().any(|place| path.starts_with(place));
        assert!(may || !text.contains("SystemClock"), "{path} reads the machine's clock");
    }
}

#[test]
fn a_flow_has_its_three_files() {
    for flow in fs::read_dir(root().join("flow")).unwrap() {
        let flow = flow.unwrap().path();
        if flow.is_dir() && !flow.ends_with("sessions") {
            for name in ["mod.rs", "service.rs", "routes.rs"] {
                assert!(flow.join(name).exists(), "{} has no {name}", relative(&flow));
            }
        }
    }
}

fn rules(path: &str) -> (Vec<&str>, Vec<&'static str>) {
    if let Some(rest) = path.strip_prefix("flow/").filter(|rest| rest.contains('/')) {
        return if rest.ends_with("/routes.rs") || rest.ends_with("/script.rs") {
            (ROUTES.to_vec(), vec!["sqlx"])
        } else if rest.ends_with("/mod.rs") {
            (SERVICE.to_vec(), vec!["sqlx"])
        } else {
            (SERVICE.to_vec(), vec!["axum", "http", "sqlx"])
        };
    }
    let (_, ours, never) = TABLE
        .iter()
        .find(|(place, ..)| path.starts_with(place))
        .unwrap_or_else(|| panic!("{path} has no place in the import table"));
    (ours.to_vec(), never.to_vec())
}

fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn sources() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// The code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that a `use` names, groups unfolded.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some(start) = statement
            .rfind("use ")
            .filter(|at| statement[..*at].chars().next_back().is_none_or(char::is_whitespace))
        else {
            continue;
        };
        let tree: String = statement[start + 4..].split_whitespace().collect();
        unfold("", &tree, &mut found);
    }
    found
}

fn unfold(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, group)) = tree.split_once('{') else {
        found.push(format!("{prefix}{tree}"));
        return;
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[from..]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        unfold(&format!("{prefix}{head}"), part, found);
    }
}

#[test]
fn the_reader_of_imports_reads_them() {
    let text = "use std::fmt;\npub(crate) use crate::{a::B, c::{D, e::F}};\nfn f() {}";
    assert_eq!(uses(text), ["std::fmt", "crate::a::B", "crate::c::D", "crate::c::e::F"]);
    assert!(is_within("crypto::digest::Digest", "crypto::digest"));
    assert!(!is_within("crypto::digests", "crypto::digest"));
}

/// A trait that other crates implement cannot get a method without breaking them.
#[test]
fn storage_traits_are_sealed() {
    let mut found = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = code(&fs::read_to_string(&path).unwrap());
        for declared in text
            .split(
                "
pub trait ",
            )
            .skip(1)
        {
            let (head, _) = declared.split_once('{').unwrap();
            let is_sealed = head.contains("Sealed") || head.starts_with("Store:");
            assert!(is_sealed, "{}: pub trait {head} lacks Sealed", path.display());
            found += 1;
        }
    }
    assert!(found > 8, "the traits were not found");
}

/// Names of requirements such as `CK-04` or `A12` in the comments of a test file.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let comments = text.lines().filter_map(|line| Some(line.split_once("//")?.1));
    let words =
        comments.flat_map(|comment| comment.split(|c: char| !c.is_alphanumeric() && c != '-'));
    words.filter(|word| {
        let (letters, digits) = word.split_at(word.find(|c: char| !c.is_uppercase()).unwrap_or(0));
        let digits = digits.strip_prefix('-').unwrap_or(digits);
        let is_short = letters.len() == 1 && ("A".."H").contains(&letters) && !word.contains('-');
        let is_long = letters.len() == 2 && word.contains('-');
        (is_short || is_long)
            && (1..=2).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[test]
fn tests_name_requirements_of_the_list() {
    let list = include_str!("REQUIREMENTS.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
    let (mut found, mut unknown) = (0, Vec::new());
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        for name in requirements(&fs::read_to_string(&path).unwrap()) {
            found += 1;
            if !list.contains(&format!("\n| {name} | ")) {
                unknown.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(found > 200, "{found}");
    assert!(unknown.is_empty(), "add to tests/REQUIREMENTS.md: {unknown:#?}");
}
