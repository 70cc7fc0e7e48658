//! The messages of the pages in each language, in the syntax of Project Fluent.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

use super::messages::{Argument, FluentMessages};

/// The languages that are built in; the first one is the default.
pub(super) const BUILT_IN: [(&str, &str); 6] = [
    ("en", include_str!("words/en.ftl")),
    ("de", include_str!("words/de.ftl")),
    ("fr", include_str!("words/fr.ftl")),
    ("es", include_str!("words/es.ftl")),
    ("ja", include_str!("words/ja.ftl")),
    ("ar", include_str!("words/ar.ftl")),
];

/// Languages that are written from right to left.
const RIGHT_TO_LEFT: [&str; 5] = ["ar", "fa", "he", "ur", "yi"];
/// The maximum number of languages that are read from `Accept-Language`.
const MAX_ACCEPTED: usize = 16;

/// The messages of all languages.
pub(super) struct Words(Vec<Arc<Language>>);

/// The messages of one language.
pub(super) struct Language {
    pub(super) tag: String,
    messages: Arc<FluentMessages>,
    /// The function `t` of the templates.
    function: Value,
}

impl Words {
    /// Compiles the built-in messages and those of the application.
    pub(super) fn new(own: &[(String, String)]) -> Result<Self, String> {
        let mut languages: Vec<(&str, Vec<&str>)> = Vec::new();
        let all = own.iter().map(|(tag, text)| (tag.as_str(), text.as_str()));
        for (tag, text) in BUILT_IN.into_iter().chain(all) {
            match languages.iter_mut().find(|(own, _)| *own == tag) {
                Some((_, texts)) => texts.push(text),
                None => languages.push((tag, vec![text])),
            }
        }
        let compiled = languages.into_iter().map(|(tag, texts)| Language::new(tag, &texts));
        compiled.map(|own| own.map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the language of the query, else that of the user, else the best one that the browser
    /// accepts, else English.
    pub(super) fn negotiate(
        &self,
        query: Option<&str>,
        locale: Option<&str>,
        accept: Option<&str>,
    ) -> Arc<Language> {
        let accepted = accepted(accept.unwrap_or_default());
        let mut wanted = query.into_iter().chain(locale).chain(accepted);
        let found = wanted.find_map(|tag| self.find(tag)).or_else(|| self.0.first());
        found.cloned().unwrap_or_else(Language::empty)
    }

    /// Returns the language of a tag, or of its primary subtag (RFC 4647 §3.4).
    pub(super) fn find(&self, tag: &str) -> Option<&Arc<Language>> {
        let mut tag = tag;
        loop {
            let found = self.0.iter().find(|own| own.tag.eq_ignore_ascii_case(tag));
            if found.is_some() {
                return found;
            }
            (tag, _) = tag.rsplit_once(['-', '_'])?;
        }
    }
}

/// Returns the languages of an `Accept-Language` header, best first (RFC 9110 §12.5.4).
fn accepted(header: &str) -> Vec<&str> {
    let mut weighted: Vec<(u32, &str)> = header
        .split(',')
        .take(MAX_ACCEPTED)
        .filter_map(|part| {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = match parameters.trim().strip_prefix("q=") {
                Some(text) => {
                    text.trim().parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?
                }
                None => 1.0,
            };
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1000"
            )]
            let thousandths = (weight * 1000.0) as u32;
            (thousandths > 0).then_some((thousandths, tag.trim()))
        })
        .collect();
    weighted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    weighted.into_iter().map(|(_, tag)| tag).collect()
}

impl Language {
    fn new(tag: &str, texts: &[&str]) -> Result<Self, String> {
        if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("words: `{tag}` is not a language tag such as `de`"));
        }
        let mut messages = FluentMessages::new(tag);
        let [(_, english), ..] = BUILT_IN;
        for text in std::iter::once(&english).chain(texts) {
            let added = messages.add(text);
            added.map_err(|error| format!("words for `{tag}` are not valid Fluent: {error}"))?;
        }
        Ok(Self::over(tag, messages))
    }

    fn over(tag: &str, messages: FluentMessages) -> Self {
        let messages = Arc::new(messages);
        let own = Arc::clone(&messages);
        let function = Value::from_function(move |id: &str, named: Kwargs| {
            let mut arguments = Vec::new();
            for name in named.args() {
                let value: Value = named.get(name)?;
                arguments.push((name, argument(&value)));
            }
            own.format(id, &arguments).ok_or_else(|| {
                let problem = format!("there is no message `{id}`, or it lacks a value");
                Error::new(ErrorKind::InvalidOperation, problem)
            })
        });
        Self { tag: tag.to_owned(), messages, function }
    }

    fn empty() -> Arc<Self> {
        Arc::new(Self::over("en", FluentMessages::new("en")))
    }

    /// Returns the direction of the language.
    pub(super) fn direction(&self) -> &'static str {
        let primary = self.tag.split('-').next().unwrap_or_default();
        if RIGHT_TO_LEFT.contains(&primary) { "rtl" } else { "ltr" }
    }

    /// Returns a message with an optional number, if it exists.
    pub(super) fn message(&self, id: &str, number: Option<(&'static str, u64)>) -> Option<String> {
        let number = number.map(|(name, value)| (name, Argument::Number(value)));
        self.messages.format(id, &Vec::from_iter(number))
    }

    /// Returns the function `t` of the templates.
    pub(super) fn function(&self) -> Value {
        self.function.clone()
    }
}

fn argument(value: &Value) -> Argument {
    match (value.kind(), u64::try_from(value.clone())) {
        (ValueKind::Number, Ok(number)) => Argument::Number(number),
        _ => Argument::Text(value.to_string()),
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|own| &own.tag)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

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
                ["error-", "reason-", "method-"].iter().any(|own| id.starts_with(own));
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
        let sent =
            words.find("en").unwrap().message("error-too-many-attempts", Some(("minutes", 3)));
        assert_eq!(sent.unwrap(), "Too many attempts. Try again in \u{2068}3\u{2069} minutes.");
    }

    #[test]
    fn language_is_negotiated() {
        let words =
            Words::new(&[("nl".to_owned(), "sign-in-title = Inloggen".to_owned())]).unwrap();
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
}
