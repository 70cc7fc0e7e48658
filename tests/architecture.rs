//! Rules for the source tree: which module may import which, and the maximum length of a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

#[path = "architecture/events.rs"]
mod events;
#[path = "architecture/evidence.rs"]
mod evidence;
#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/words.rs"]
mod words;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use graph::Graph;

const MAX_LINES: usize = 300;
const MAX_TEST_LINES: usize = 120;

/// Returns the files that git tracks.
fn tracked() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["-c", &format!("safe.directory={}", root.display()), "ls-files"])
        .current_dir(root)
        .output()
        .unwrap();
    String::from_utf8(listed.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

/// A path prefix, the modules of this crate that it may use, and the crates that it must not use.
/// The first matching prefix applies.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("contract/", &["contract", "error"], &["sqlx"]),
    ("model/", &["model"], &["axum", "sqlx", "http"]),
    ("clock.rs", &[], &["axum", "sqlx", "http"]),
    ("config.rs", &["network", "origin"], &["axum", "sqlx", "http"]),
    ("error.rs", &["model"], &["axum", "sqlx"]),
    ("event.rs", &["model"], &["axum", "sqlx", "http"]),
    ("event/", &["model"], &["axum", "sqlx", "http"]),
    ("flight.rs", &[], &["axum", "sqlx", "http"]),
    ("forwarded.rs", &[], &["axum", "sqlx"]),
    ("guide.rs", &[], &["axum", "sqlx", "http"]),
    ("measure/", &["measure"], &["axum", "sqlx", "http"]),
    ("network.rs", &["forwarded"], &["axum", "sqlx"]),
    ("origin.rs", &["network"], &["axum", "sqlx"]),
    ("policy/", &["model", "policy"], &["axum", "sqlx", "http"]),
    ("redirect.rs", &["error", "origin"], &["axum", "sqlx", "http"]),
    ("outbound/", &["error", "outbound"], &["axum", "sqlx"]),
    ("provider/", &["error", "model", "origin", "provider"], &["axum", "sqlx", "http"]),
    (
        "audit.rs",
        &["clock", "crypto::random", "erasure", "error", "event", "store"],
        &["axum", "sqlx", "http"],
    ),
    ("hook.rs", &["error", "model"], &["axum", "sqlx"]),
    ("skew.rs", &["clock", "error", "store"], &["axum", "sqlx", "http"]),
    ("erasure.rs", &["store"], &["axum", "sqlx", "http"]),
    ("crypto/", &["model", "error", "clock", "crypto", "measure"], &["axum", "sqlx", "http"]),
    (
        "users/",
        &["model", "crypto::random", "error", "hook", "store", "clock", "event", "flight", "users"],
        &["axum", "sqlx", "http"],
    ),
    (
        "store/sql/",
        &["store", "model", "error", "event", "hook", "clock", "crypto::digest", "crypto::random"],
        &["axum", "http"],
    ),
    ("store/", &["crypto::digest", "error", "event", "model", "store"], &["axum", "sqlx", "http"]),
    (
        "session/",
        &["model", "crypto", "error", "store", "clock", "event", "flight", "measure", "session"],
        &["axum", "sqlx", "http"],
    ),
    (
        "limit/",
        &["clock", "crypto", "error", "event", "limit", "network", "store"],
        &["axum", "sqlx", "http"],
    ),
    (
        "services/",
        &[
            "audit", "clock", "crypto", "error", "event", "hook", "limit", "mail", "measure",
            "model", "network", "origin", "provider", "redirect", "services", "session", "skew",
            "store", "users",
        ],
        &["axum", "sqlx"],
    ),
    ("mail/smtp.rs", &["mail"], &["axum", "sqlx"]),
    (
        "mail/",
        &["model", "crypto", "error", "store", "clock", "event", "mail", "measure"],
        &["axum", "sqlx", "http"],
    ),
    ("auth/", RINGS, &["sqlx"]),
    (
        "registry/",
        &[
            "config",
            "contract",
            "crypto::handle",
            "crypto::seal",
            "http",
            "mail",
            "model",
            "registry",
            "services",
            "store",
        ],
        &["sqlx"],
    ),
    ("flow/mod.rs", &["provider", "registry"], &["axum", "sqlx"]),
    (
        "http/",
        &[
            "contract",
            "session",
            "model",
            "error",
            "event",
            "origin",
            "crypto::token",
            "crypto::secret",
            "crypto::handle",
            "services",
            "http",
            "hook",
            "measure",
            "redirect",
            "network",
            "policy",
        ],
        &["sqlx"],
    ),
    (
        "testing/",
        &[
            "auth", "clock", "crypto", "event", "mail", "model", "services", "session", "store",
            "testing", "users",
        ],
        &["sqlx"],
    ),
    (
        "lib.rs",
        &[
            "audit",
            "auth",
            "config",
            "crypto::seal",
            "error",
            "event",
            "flow",
            "hook",
            "http",
            "mail",
            "limit",
            "model",
            "network",
            "origin",
            "outbound",
            "policy",
            "provider",
            "registry",
            "services",
            "session",
            "store",
            "users",
        ],
        &["axum"],
    ),
];

const RINGS: &[&str] = &[
    "audit",
    "auth",
    "clock",
    "config",
    "crypto::seal",
    "erasure",
    "error",
    "event",
    "flow",
    "forwarded",
    "hook",
    "http",
    "limit",
    "mail",
    "measure",
    "model",
    "network",
    "origin",
    "policy",
    "provider",
    "redirect",
    "registry",
    "services",
    "session",
    "skew",
    "store",
    "users",
];
const SERVICE: &[&str] = &[
    "clock", "config", "crypto", "error", "event", "flow", "hook", "limit", "mail", "model",
    "origin", "outbound", "provider", "registry", "services", "session", "store", "users",
];
const ROUTES: &[&str] =
    &["contract", "error", "flow::oauth", "hook", "http", "model", "registry", "services"];
/// Pages are HTTP: they call the routes of flows, and no service of a flow.
const PAGES: &[&str] = &[
    "config",
    "crypto",
    "error",
    "event",
    "flow::pages",
    "http",
    "mail",
    "model",
    "redirect",
    "registry",
    "services",
    "session",
    "store",
];

#[test]
fn imports_point_inwards() {
    let mut wrong = Vec::new();
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let (ours, never) = rules(&path);
        for used in uses(&text).into_iter().chain(graph::inline(&text)) {
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
fn files_have_at_most_three_hundred_lines_of_code() {
    for file in graph::files(&root()) {
        let text = fs::read_to_string(&file).unwrap();
        let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines =
            before_tests.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//"));
        let count = lines.count();
        assert!(count <= MAX_LINES, "{} has {count} lines of code", relative(&file));
    }
}

#[test]
fn long_tests_stand_in_their_own_file() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let tests = text.split_once("#[cfg(test)]\nmod tests {").map_or("", |(_, tests)| tests);
        let (count, name) = (tests.lines().count(), relative(&file));
        let own = format!("{}/tests.rs", name.trim_end_matches(".rs"));
        assert!(count <= MAX_TEST_LINES, "{name} has {count} lines of tests; move them to {own}");
    }
}

#[test]
fn conditional_compilation_is_limited_to_mod_files() {
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let is_mod = path == "lib.rs" || path.ends_with("mod.rs");
        assert!(is_mod || !text.contains("#[cfg(feature"), "{path} contains #[cfg(feature");
    }
}

/// Code that depends on the time takes a `Clock`, so that tests and clock checks control it.
#[test]
fn system_clock_is_read_only_in_listed_modules() {
    let places = ["auth/builder.rs", "clock.rs", "store/sql/migrate/mod.rs", "testing/"];
    for file in sources() {
        let path = relative(&file);
        let text = code(&fs::read_to_string(&file).unwrap());
        let may = places.iter().any(|place| path.starts_with(place));
        assert!(may || !text.contains("SystemClock"), "{path} reads the machine's clock");
    }
}

#[test]
fn every_flow_has_its_three_files() {
    for flow in fs::read_dir(root().join("flow")).unwrap() {
        let flow = flow.unwrap().path();
        if flow.is_dir() && !flow.ends_with("sessions") && !flow.ends_with("pending") {
            // All providers have the routes of `flow/oauth`.
            let is_provider =
                ["github", "oauth2", "oidc"].iter().any(|provider| flow.ends_with(provider));
            let last = if is_provider { "flow.rs" } else { "routes.rs" };
            // Proofs of keys are headers of other requests.
            let last = if flow.ends_with("dpop") { "mod.rs" } else { last };
            for name in ["mod.rs", "service.rs", last] {
                assert!(flow.join(name).exists(), "{} has no {name}", relative(&flow));
            }
        }
    }
}

/// Groups of files that may import each other, each with its reason: none so far.
const CYCLES: &[&[&str]] = &[];

/// Without cycles, a file can be read and moved with only its imports. An import is the name of an
/// item, in a `use` or inline; a `mod.rs` that re-exports items of its children imports nothing.
#[test]
fn no_files_import_each_other() {
    let cycles = Graph::read(&root()).cycles();
    let accepted = |group: &&Vec<String>| !CYCLES.iter().any(|own| own == group);
    let wrong = cycles.iter().filter(accepted).map(|group| group.join(" "));
    let wrong = Vec::from_iter(wrong);
    assert!(wrong.is_empty(), "import each other (scripts/imports):\n{}", wrong.join("\n"));
}

/// The command uses only the public items of the library, since it is another crate.
#[test]
fn no_files_of_the_command_import_each_other() {
    let graph = Graph::read(&root().join("bin/authlayer"));
    assert!(graph.edges.len() > 20, "the files of the command are read");
    assert_eq!(graph.cycles(), [[""; 0]; 0]);
}

/// Prints the output of `scripts/imports`: each group of files that import each other, and the
/// imported items.
#[test]
fn print_cycles() {
    let graph = Graph::read(&root());
    assert!(graph.edges.len() > 100, "the files are read");
    let cycles = graph.cycles();
    let sizes: Vec<_> = cycles.iter().map(|group| group.len().to_string()).collect();
    println!("{} groups of files import each other: {}", cycles.len(), sizes.join(" "));
    for group in &cycles {
        println!("\n{} files:", group.len());
        for from in group {
            for (to, names) in graph.edges[from].iter().filter(|(to, _)| group.contains(to)) {
                let names = Vec::from_iter(names.iter().map(String::as_str));
                println!("  {from} -> {to}: {}", names.join(" "));
            }
        }
    }
}

fn rules(path: &str) -> (Vec<&str>, Vec<&'static str>) {
    if let Some(rest) = path.strip_prefix("flow/").filter(|rest| rest.contains('/')) {
        let is_page = rest.starts_with("pages/") && !rest.ends_with("/mod.rs");
        return if is_page && !rest.ends_with("/flow.rs") {
            (PAGES.to_vec(), vec!["sqlx"])
        } else if rest.ends_with("/routes.rs") || rest.ends_with("/script.rs") {
            (ROUTES.to_vec(), vec!["sqlx"])
        } else if rest.ends_with("/mod.rs") || rest.ends_with("/flow.rs") {
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
    let other = env::var("TREE");
    Path::new(other.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"))).join("src")
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn sources() -> Vec<PathBuf> {
    let files = graph::sources(&root());
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// Returns the code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns every path in a `use`, with groups expanded.
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
fn imports_are_parsed() {
    let text = "use std::fmt;\npub(crate) use crate::{a::B, c::{D, e::F}};\nfn f() {}";
    assert_eq!(uses(text), ["std::fmt", "crate::a::B", "crate::c::D", "crate::c::e::F"]);
    let text = "use crate::a::B;\nfn f(x: crate::c::D<B>) { crate::e::f(\"crate::g\"); }";
    assert_eq!(graph::inline(text), ["crate::c::D", "crate::e::f"]);
    assert!(is_within("crypto::digest::Digest", "crypto::digest"));
    assert!(!is_within("crypto::digests", "crypto::digest"));
}

#[test]
fn imports_are_traced_to_the_file_that_defines_the_item() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\npub use a::one::One;"),
        ("a/mod.rs", "mod one;\nmod two;\npub use one::One;\nuse two::Two;\npub struct A(Two);"),
        ("a/one.rs", "use super::two;\npub struct One(two::Two);"),
        ("a/two.rs", "pub struct Two;\nfn f() -> Vec<crate::b::B> { Vec::new() }"),
        ("b.rs", "use crate::One;\npub struct B { a: super::a::A, one: One }"),
    ];
    let graph = Graph::of(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let edges = |from: &str| Vec::from_iter(graph.edges[from].keys().map(String::as_str));
    assert_eq!(edges("lib.rs"), [""; 0], "re-exports only");
    assert_eq!(edges("a/mod.rs"), ["a/two.rs"]);
    assert_eq!(edges("a/one.rs"), ["a/two.rs"]);
    assert_eq!(edges("a/two.rs"), ["b.rs"]);
    assert_eq!(edges("b.rs"), ["a/mod.rs", "a/one.rs"]);
    assert_eq!(graph.cycles(), [["a/mod.rs", "a/one.rs", "a/two.rs", "b.rs"]]);
}

/// A new method of a trait would break crates that implement it.
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

/// Returns the names of requirements such as `CK-04` or `A12` in the comments of a test file.
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
fn requirements_in_tests_are_listed() {
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
