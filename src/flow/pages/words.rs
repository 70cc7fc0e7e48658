//! The messages of the pages in each language, in the syntax of Project Fluent.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

use super::messages::{Argument, FluentMessages};
use crate::model::accept::preferred;

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
        let accepted = preferred(accept.unwrap_or_default());
        let mut wanted = query.into_iter().chain(locale).chain(accepted);
        let found = wanted.find_map(|tag| self.find(tag)).or_else(|| self.0.first());
        found.cloned().unwrap_or_else(Language::empty)
    }

    /// Returns all languages, the built-in ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Language> {
        self.0.iter().map(AsRef::as_ref)
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

impl Language {
    fn new(tag: &str, texts: &[&str]) -> Result<Self, String> {
        if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("words: `{tag}` is not a language tag such as `de`"));
        }
        let mut messages = FluentMessages::new(tag);
        let [(_, english), ..] = BUILT_IN;
        let invalid = |error| format!("words for `{tag}` are not valid Fluent: {error}");
        messages.add(english).map_err(invalid)?;
        // A language that lacks its name has not that of English.
        messages.remove("language-name");
        for text in texts {
            messages.add(text).map_err(invalid)?;
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

    /// Returns whether a message exists.
    pub(super) fn has(&self, id: &str) -> bool {
        self.messages.has(id)
    }

    /// Returns a message with its values, if it exists and lacks none. Marks that isolate values are
    /// left out unless the language is written from right to left.
    pub(super) fn sentence(&self, id: &str, values: &[(&str, Argument)]) -> Option<String> {
        let text = self.messages.format(id, values)?;
        let is_isolating = self.direction() == "rtl";
        Some(if is_isolating { text } else { text.replace(['\u{2068}', '\u{2069}'], "") })
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
mod tests;
