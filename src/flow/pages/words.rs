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
mod tests;
