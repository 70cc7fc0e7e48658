//! The graph of imports between the files of `src`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

/// The files of a crate, and for each file the files whose items it imports.
pub(crate) struct Graph {
    pub(crate) edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

/// The declarations and names in one file.
#[derive(Default)]
struct File {
    name: String,
    /// The names of its child modules in separate files.
    children: BTreeSet<String>,
    defined: BTreeSet<String>,
    /// The names that `use` binds, with their paths.
    bound: HashMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    named: Vec<Vec<String>>,
}

impl Graph {
    /// Reads the sources below a folder.
    pub(crate) fn read(root: &Path) -> Self {
        Self::of(sources(root).into_iter().map(|path| {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            (name, super::code(&fs::read_to_string(&path).unwrap()))
        }))
    }

    /// Creates the graph from the names and texts of files.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = files.into_iter();
        let modules =
            files.map(|(name, text)| (module_of(&name), File::read(name, &tokens(&text))));
        let modules = BTreeMap::from_iter(modules);
        let edges = modules.iter().map(|(module, file)| {
            let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for path in &file.named {
                let Some(to) = resolve(&modules, module, path, 0) else { continue };
                if to != file.name {
                    edges.entry(to).or_default().insert(path.join("::"));
                }
            }
            (file.name.clone(), edges)
        });
        Self { edges: edges.collect() }
    }

    /// Returns the groups of files that import each other, directly or not, the largest first.
    pub(crate) fn cycles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<_, _> =
            self.edges.keys().map(|from| (from.as_str(), self.reached(from))).collect();
        let mut groups = BTreeSet::new();
        for (from, others) in &reached {
            let both = |other: &&str| reached.get(other).is_some_and(|back| back.contains(from));
            let group: Vec<_> = others.iter().copied().filter(both).map(str::to_owned).collect();
            if group.len() > 1 {
                groups.insert(group);
            }
        }
        let mut groups = Vec::from_iter(groups);
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }

    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let (mut found, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            for to in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if found.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        found
    }
}

/// Returns the paths that begin with `crate::` outside of a `use`.
pub(crate) fn inline(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let (mut found, mut is_use) = (Vec::new(), false);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "use" => is_use = tokens.get(at + 1) != Some(&"<"),
            ";" => is_use = false,
            "crate" if !is_use => {
                let path = tokens[at + 1..].chunks(2);
                let names = path.map_while(|pair| match pair {
                    ["::", name] if is_name(name) => Some(*name),
                    _ => None,
                });
                let names = Vec::from_iter(names);
                if !names.is_empty() {
                    found.push(format!("crate::{}", names.join("::")));
                }
            }
            _ => {}
        }
    }
    found
}

/// Returns the sources without the tests that stand in files of their own, and without the command in
/// `bin`, which is another crate.
pub(crate) fn sources(root: &Path) -> Vec<PathBuf> {
    let mut files = files(root);
    files.retain(|file| {
        let own = file.strip_prefix(root).unwrap_or(file);
        !(own.ends_with("tests.rs") || own.starts_with("bin"))
            && own.iter().all(|part| part != "tests")
    });
    files
}

/// Returns all sources, with their tests.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
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
    files
}

/// `a/b/mod.rs` and `a/b.rs` are `[a, b]`, `lib.rs` and `main.rs` are `[]`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" || path == "main" {
        Vec::new()
    } else {
        path.split('/').map(str::to_owned).collect()
    }
}

/// Resolves a path in a module to the file that defines the item. Returns `None` for items of
/// other crates and for modules, whose items are resolved where they are used.
fn resolve(
    modules: &BTreeMap<Vec<String>, File>,
    from: &[String],
    path: &[String],
    depth: usize,
) -> Option<String> {
    let mut module = from.to_vec();
    let mut rest = path;
    // Where names that `use` binds refer to each other, such as `use http::header; use header::X`.
    if depth > 16 {
        return None;
    }
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => module.clear(),
            "super" => drop(module.pop()?),
            "self" => {}
            name => {
                let file = modules.get(&module)?;
                let is_own = rest.len() < path.len();
                if file.children.contains(name) {
                    module.push(name.to_owned());
                } else if file.defined.contains(name) {
                    return Some(file.name.clone());
                } else if let Some(bound) = file.bound.get(name) {
                    if bound == path && !is_own {
                        return None;
                    }
                    let whole = [bound.as_slice(), after].concat();
                    return resolve(modules, &module, &whole, depth + 1);
                } else {
                    let globs = file.globs.iter();
                    let mut by_glob = globs.filter_map(|glob| {
                        let whole = [glob.as_slice(), rest].concat();
                        resolve(modules, &module, &whole, depth + 1)
                    });
                    // Items that a macro defines cannot be resolved.
                    return by_glob.next_back().or_else(|| is_own.then(|| file.name.clone()));
                }
            }
        }
        rest = after;
    }
    None
}

impl File {
    fn read(name: String, tokens: &[&str]) -> Self {
        let mut file = Self { name, ..Self::default() };
        let (mut depth, mut inline) = (0, Vec::new());
        let mut at = 0;
        let get = |at: usize| tokens.get(at).copied().unwrap_or_default();
        while at < tokens.len() {
            let is_top = depth == inline.len();
            match get(at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    while inline.last().is_some_and(|opened| *opened > depth) {
                        inline.pop();
                    }
                }
                "use" if get(at + 1) != "<" => {
                    let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap();
                    let before = if at == 0 { "" } else { get(at - 1) };
                    let is_exported = matches!(before, "pub" | ")");
                    let mut paths = Vec::new();
                    unfold(&mut Vec::new(), &tokens[at + 1..end], &mut paths);
                    for (mut path, alias) in paths {
                        // A module within this file sees the file as its parent.
                        if !inline.is_empty() && path[0] == "super" {
                            path.remove(0);
                        }
                        if alias == "*" {
                            file.globs.push(path);
                        } else if is_top && inline.is_empty() && is_exported {
                            // A re-exported name is not an import; if the file also uses
                            // it, the use is found separately.
                            file.bound.insert(alias, path);
                        } else {
                            file.named.push(path.clone());
                            file.bound.entry(alias).or_insert(path);
                        }
                    }
                    at = end;
                }
                "mod" if is_top && get(at + 2) == ";" => {
                    file.children.insert(get(at + 1).to_owned());
                    at += 2;
                }
                "mod" if is_top && get(at + 2) == "{" => {
                    file.defined.insert(get(at + 1).to_owned());
                    inline.push(depth + 1);
                    at += 1;
                }
                "macro_rules" if is_top => {
                    file.defined.insert(get(at + 2).to_owned());
                    at += 2;
                }
                "struct" | "enum" | "trait" | "fn" | "const" | "static" | "type" | "union"
                    if is_top && is_name(get(at + 1)) && get(at + 1) != "fn" =>
                {
                    file.defined.insert(get(at + 1).to_owned());
                    at += 1;
                }
                word if is_name(word) => {
                    let before = if at == 0 { "" } else { get(at - 1) };
                    let is_parameter = before == "$" && word != "crate";
                    let is_continued = matches!(before, "::" | ".") || is_parameter;
                    let mut path = vec![word.to_owned()];
                    while get(at + 1) == "::" && is_name(get(at + 2)) {
                        path.push(get(at + 2).to_owned());
                        at += 2;
                    }
                    if !is_continued {
                        if !inline.is_empty() && path[0] == "super" {
                            path.remove(0);
                        }
                        file.named.push(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        file.named.retain(|path| !path.is_empty());
        file
    }
}

/// Returns the paths in the tree of a `use`, each with the name that it binds.
fn unfold(prefix: &mut Vec<String>, tree: &[&str], found: &mut Vec<(Vec<String>, String)>) {
    let before = prefix.len();
    let mut at = 0;
    while at < tree.len() {
        match tree[at] {
            "::" => {}
            "{" => {
                let (mut depth, mut from) = (0, at + 1);
                for (i, token) in tree.iter().enumerate().skip(at) {
                    depth += usize::from(*token == "{");
                    if depth == 1 && (*token == "," || *token == "}") {
                        if from < i {
                            unfold(prefix, &tree[from..i], found);
                        }
                        from = i + 1;
                    }
                    depth -= usize::from(*token == "}");
                }
                break;
            }
            "*" => found.push((prefix.clone(), "*".to_owned())),
            "self" if before > 0 => {
                found.push((prefix.clone(), prefix.last().unwrap().clone()));
            }
            name => {
                prefix.push(name.to_owned());
                match tree.get(at + 1) {
                    None => found.push((prefix.clone(), name.to_owned())),
                    Some(&"as") => {
                        found.push((prefix.clone(), tree[at + 2].to_owned()));
                        break;
                    }
                    Some(_) => {}
                }
            }
        }
        at += 1;
    }
    prefix.truncate(before);
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Returns the tokens of a text, without comments, strings, numbers and lifetimes.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = c.len_utf8();
        let length = if c.is_whitespace() {
            skipped
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let end = end.unwrap_or(rest.len());
            if !c.is_numeric() {
                found.push(&rest[..end]);
            }
            end
        } else if rest.starts_with("::") {
            found.push("::");
            2
        } else {
            found.push(&rest[..skipped]);
            skipped
        };
        rest = &rest[length..];
    }
    found
}

/// Returns the length of the string, character or lifetime at the beginning of a text.
fn literal(text: &str) -> Option<usize> {
    let after = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - after.len();
    if prefix <= 1
        && let Some(raw) = after.strip_prefix('r')
    {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let from = hashes + 1;
            let length = raw[from..].find(&end).unwrap() + from + end.len();
            return Some(prefix + 1 + length);
        }
    }
    if prefix > 1 {
        return None;
    }
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut chars = after.char_indices().skip(1).peekable();
    if quote == '\'' {
        // A lifetime is a name without a quote behind it.
        let body = &after[1..];
        let name = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
        if name > 0 && !body[name..].starts_with('\'') {
            return Some(prefix + 1 + name);
        }
    }
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return Some(prefix + at + 1);
        }
    }
    None
}
