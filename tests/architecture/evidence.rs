//! The tests that documents name as evidence: each name is that of a test.

use std::{collections::BTreeSet, fs, path::Path};

use super::tracked;

/// The headings of the columns that name tests.
const HEADINGS: [&str; 4] = ["tested by", "verified by", "test", "tests"];

/// Names of axum and PostgreSQL that look like sentences.
const FOREIGN: [&str; 2] =
    ["idle_in_transaction_session_timeout", "into_make_service_with_connect_info"];

/// Returns the cells of a row of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(str::trim).collect())
}

/// Returns the texts in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns `true` for the name of a function that can only be a test: a sentence in words.
fn is_sentence(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('_').count() > 4 && name.split('_').all(is_word) && !FOREIGN.contains(&name)
}

/// Returns the names of tests in a document, with their lines: those in the columns for tests, and
/// those in the text that are sentences.
fn named(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut column = None;
    for (at, line) in document.lines().enumerate() {
        let mut add = |name: &str| found.push((at + 1, name.to_owned()));
        let Some(row) = cells(line) else {
            column = None;
            quoted(line).filter(|name| is_sentence(name)).for_each(&mut add);
            continue;
        };
        if let Some(heading) = row.iter().position(|cell| HEADINGS.contains(cell)) {
            column = Some(heading);
            continue;
        }
        for (number, cell) in row.into_iter().enumerate() {
            if column != Some(number) {
                quoted(cell).filter(|name| is_sentence(name)).for_each(&mut add);
            } else if cell.contains('`') {
                // A file or a folder of tests is named by its path.
                quoted(cell).for_each(&mut add);
            } else if cell.contains(' ') && cell != "the same" {
                add(cell);
            }
        }
    }
    found
}

/// The names of tests.
#[derive(Default)]
struct Tests {
    functions: BTreeSet<String>,
    /// Modules of tests, such as `crypto::token` and `http::cookie`.
    modules: BTreeSet<String>,
    /// The sources of the tests in a browser.
    browser: String,
}

impl Tests {
    fn add(&mut self, file: &str, text: &str) {
        if file.ends_with(".test.mjs") {
            self.browser.push_str(text);
        }
        let Some(module) = file.strip_suffix(".rs") else { return };
        let module = module.strip_prefix("src/").or(module.strip_prefix("tests/api/"));
        let is_test = file.starts_with("tests/") || file.starts_with("src/testing/store_suite/");
        let is_test = is_test || file.ends_with("/tests.rs") || file.contains("/tests/");
        if !is_test && !text.contains("#[cfg(test)]") {
            return;
        }
        if let Some(module) = module {
            let path = module.trim_end_matches("/mod").replace('/', "::");
            self.modules.insert(format!("{path}::tests"));
            self.modules.insert(path);
        }
        // Only the tests at the end of a source file are tests.
        let tests = match text.split_once("#[cfg(test)]") {
            Some((_, tests)) if !is_test => tests,
            _ => text,
        };
        let declared = ["fn ", "mod "].into_iter();
        for at in declared.flat_map(|word| tests.match_indices(word).map(|(at, _)| at + word.len()))
        {
            let name = tests[at..].split(|c: char| !c.is_alphanumeric() && c != '_').next();
            self.functions.extend(name.map(ToOwned::to_owned));
        }
        // A macro makes a test of `name: function` or of `name`.
        for line in tests.lines().map(str::trim) {
            let name = line.split(':').next().unwrap_or_default();
            if is_sentence(name) {
                self.functions.insert(name.to_owned());
            }
        }
    }

    fn has(&self, name: &str, root: &Path) -> bool {
        if name.contains('/') {
            return root.join(name).exists();
        }
        let title = || self.browser.contains(&format!("\"{name}"));
        let last = name.rsplit("::").next().unwrap_or_default();
        let is_module = || {
            let within = format!("{name}::");
            self.modules.iter().any(|own| own == name || own.starts_with(&within))
        };
        let is_function =
            self.functions.contains(name) || name.contains("::") && self.functions.contains(last);
        is_function || is_module() || name.contains(' ') && title()
    }
}

#[test]
fn tests_that_documents_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = tracked();
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let mut tests = Tests::default();
    for file in files.iter().filter(|file| file.starts_with("src/") || file.starts_with("tests/")) {
        tests.add(file, &read(file));
    }
    let (mut found, mut unknown) = (0, Vec::new());
    for file in files.iter().filter(|file| file.ends_with(".md") && file.as_str() != "CHANGELOG.md")
    {
        for (line, name) in named(&read(file)) {
            found += 1;
            if !tests.has(&name, root) {
                unknown.push(format!("{file}:{line}: {name}"));
            }
        }
    }
    assert!(found > 200, "only {found} names were found");
    assert!(unknown.is_empty(), "no test has this name:\n{}", unknown.join("\n"));
}

#[test]
fn names_of_tests_are_found_in_documents() {
    let document = "\
        It is `a_sentence_of_five_words`, not `store_id_token`.\n\
        | threat | tested by |\n\
        |---|---|\n\
        | a `name` | `short`, `crypto::token`, `tests/api` |\n\
        | in the text: `two_sessions_of_one_user` | a title of a browser test |\n\
        | again | the same |\n";
    let names: Vec<_> = named(document).into_iter().map(|(_, name)| name).collect();
    let expected = [
        "a_sentence_of_five_words",
        "short",
        "crypto::token",
        "tests/api",
        "two_sessions_of_one_user",
        "a title of a browser test",
    ];
    assert_eq!(names, expected);
    let mut tests = Tests::default();
    tests.add("tests/api/guards.rs", "on! { async fn role_is_required(bed: &Bed) {} }");
    tests.add("src/crypto/token.rs", "fn used() {}\n#[cfg(test)]\nmod tests { fn forged() {} }");
    tests.add("src/clock.rs", "fn now() {}");
    tests.add("tests/browser/a.test.mjs", "test(\"a user signs in with a passkey\", async () => {");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, exists) in [
        ("role_is_required", true),
        ("guards", true),
        ("crypto::token", true),
        ("forged", true),
        ("crypto::token::tests", true),
        ("a user signs in", true),
        ("tests/api", true),
        ("used", false),
        ("now", false),
        ("clock", false),
        ("a user signs out", false),
        ("tests/nowhere", false),
    ] {
        assert_eq!(tests.has(name, root), exists, "{name}");
    }
}
