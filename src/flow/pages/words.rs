//! The messages of the pages in each language, in the syntax of Project Fluent.

use std::{fmt, sync::Arc};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Object, ObjectRepr, ValueKind},
};

use super::{
    calls::MessageWith,
    messages::{Argument, FluentMessages},
};
use crate::model::accept::preferred;

/// The languages that are built in.
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
pub(super) struct Words {
    languages: Vec<Arc<Language>>,
    default: Arc<Language>,
}

/// The messages of one language.
pub(super) struct Language {
    pub(super) tag: String,
    messages: Arc<FluentMessages>,
    /// The function `t` of the templates.
    function: Value,
}

impl Words {
    /// Compiles the built-in messages and those of the application. The default language must be one
    /// of them; it is English if none is specified.
    pub(super) fn new(own: &[(String, String)], default: Option<&str>) -> Result<Self, String> {
        let mut languages: Vec<(&str, Vec<&str>)> = Vec::new();
        let all = own.iter().map(|(tag, text)| (tag.as_str(), text.as_str()));
        for (tag, text) in BUILT_IN.into_iter().chain(all) {
            match languages.iter_mut().find(|(own, _)| *own == tag) {
                Some((_, texts)) => texts.push(text),
                None => languages.push((tag, vec![text])),
            }
        }
        let compiled = languages.into_iter().map(|(tag, texts)| Language::new(tag, &texts));
        let compiled = compiled.map(|own| own.map(Arc::new));
        let languages = compiled.collect::<Result<Vec<_>, String>>()?;
        for (tag, text) in own {
            check_variables(tag, text, &languages)?;
        }
        let default = default.unwrap_or("en");
        let found = languages.iter().find(|own| own.tag.eq_ignore_ascii_case(default));
        let found = found.map(Arc::clone).ok_or_else(|| {
            let tags: Vec<_> = languages.iter().map(|own| own.tag.as_str()).collect();
            format!("default_language `{default}` has no words: use one of {}", tags.join(", "))
        })?;
        Ok(Self { languages, default: found })
    }

    /// Returns the language of the query, else that of the user, else the best one that the browser
    /// accepts, else the default.
    pub(super) fn negotiate(
        &self,
        query: Option<&str>,
        locale: Option<&str>,
        accept: Option<&str>,
    ) -> Arc<Language> {
        let accepted = preferred(accept.unwrap_or_default());
        let mut wanted = query.into_iter().chain(locale).chain(accepted);
        Arc::clone(wanted.find_map(|tag| self.find(tag)).unwrap_or(&self.default))
    }

    /// Returns all languages, the built-in ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Language> {
        self.languages.iter().map(AsRef::as_ref)
    }

    /// Returns the language of a tag, or of its primary subtag (RFC 4647 §3.4).
    pub(super) fn find(&self, tag: &str) -> Option<&Arc<Language>> {
        let mut tag = tag;
        loop {
            let found = self.languages.iter().find(|own| own.tag.eq_ignore_ascii_case(tag));
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
        let messages = Arc::new(messages);
        let function = Value::from_object(Translate(Arc::clone(&messages)));
        Ok(Self { tag: tag.to_owned(), messages, function })
    }

    /// Returns the direction of the language.
    pub(super) fn direction(&self) -> &'static str {
        let primary = self.tag.split('-').next().unwrap_or_default();
        if RIGHT_TO_LEFT.contains(&primary) { "rtl" } else { "ltr" }
    }

    /// Returns a message with its values, if it exists and lacks none.
    pub(super) fn message(&self, message: &MessageWith<'_>) -> Option<String> {
        self.messages.format(&message.id, &message.values)
    }

    /// Returns a message that has no variables.
    pub(super) fn constant(&self, id: &str) -> Option<String> {
        self.messages.format(id, &[])
    }

    /// Returns whether a message exists.
    pub(super) fn has(&self, message: &MessageWith<'_>) -> bool {
        self.messages.has(&message.id)
    }

    /// Returns a message as plain text. Marks that isolate values are left out unless the language is
    /// written from right to left.
    pub(super) fn sentence(&self, message: &MessageWith<'_>) -> Option<String> {
        let text = self.message(message)?;
        let is_isolating = self.direction() == "rtl";
        Some(if is_isolating { text } else { text.replace(['\u{2068}', '\u{2069}'], "") })
    }

    /// Returns the function `t` of the templates.
    pub(super) fn function(&self) -> Value {
        self.function.clone()
    }
}

/// Checks that the messages of the application for a language use no values that the pages do not
/// have. Emails are checked when they are rendered.
fn check_variables(tag: &str, text: &str, languages: &[Arc<Language>]) -> Result<(), String> {
    let [(_, english), ..] = BUILT_IN;
    let (mut built_in, mut own) = (FluentMessages::new("en"), FluentMessages::new(tag));
    let added = built_in.add(english).and_then(|()| own.add(text));
    added.map_err(|error| format!("words for `{tag}` are not valid Fluent: {error}"))?;
    let found = languages.iter().find(|language| language.tag == tag);
    let checked = own.ids().filter(|id| built_in.has(id) && !id.starts_with("mail-"));
    for (id, language) in checked.flat_map(|id| found.map(|language| (id, language))) {
        // All errors, and all reasons, have the same values.
        let family = ["error-", "reason-"].into_iter().find(|prefix| id.starts_with(prefix));
        let family = family.filter(|_| id != "error-title");
        let is_alike =
            |other: &&str| *other == id || family.is_some_and(|own| other.starts_with(own));
        let has = |name: &str| {
            built_in.ids().filter(is_alike).any(|own| built_in.variables(own).contains(name))
        };
        if let Some(name) = language.messages.variables(id).into_iter().find(|name| !has(name)) {
            return Err(format!("words for `{tag}`: `{id}` uses `${name}`, which has no value"));
        }
    }
    Ok(())
}

/// The function `t` of the templates: a message by its id, with its values as named arguments.
#[derive(Debug)]
struct Translate(Arc<FluentMessages>);

impl Object for Translate {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let invalid = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
        let (id, named) = match args {
            [id] => (id, None),
            [id, named] if named.is_kwargs() => (id, Some(named)),
            _ => return Err(invalid("`t` takes an id and named values".to_owned())),
        };
        let id = id.as_str().ok_or_else(|| invalid("the id of a message is a text".to_owned()))?;
        let names = named.map(Value::try_iter).transpose()?.into_iter().flatten();
        let names = names.collect::<Vec<_>>();
        let mut arguments = Vec::with_capacity(names.len());
        for name in &names {
            let value = named.map(|own| own.get_item(name)).transpose()?.unwrap_or_default();
            arguments.push((name.as_str().unwrap_or_default(), argument(&value)));
        }
        let text = self.0.format(id, &arguments);
        let missing = || invalid(format!("there is no message `{id}`, or it lacks a value"));
        text.map(Value::from).ok_or_else(missing)
    }
}

fn argument(value: &Value) -> Argument {
    if let Some(text) = value.as_str() {
        return Argument::Text(text.to_owned());
    }
    match (value.kind(), u64::try_from(value.clone())) {
        (ValueKind::Number, Ok(number)) => Argument::Number(number),
        _ => Argument::Text(value.to_string()),
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.languages.iter().map(|own| &own.tag)).finish()
    }
}

#[cfg(test)]
mod tests;
