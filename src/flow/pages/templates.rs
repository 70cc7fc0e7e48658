//! The templates, compiled once for each language.

use std::{borrow::Cow, collections::HashMap, fmt, path::PathBuf, sync::OnceLock};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, escape_formatter};

use super::{
    escape::escaped,
    localized::localized,
    visible::visible,
    words::{Language, Words},
};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

/// The templates that are built in.
const BUILT_IN: &[(&str, &str)] = built_in![
    "admin-events.html",
    "admin-layout.html",
    "admin-new.html",
    "admin-user.html",
    "admin.html",
    "api-key.html",
    "cancel-recovery.html",
    "device.html",
    "email.html",
    "enrollment.html",
    "error.html",
    "field.html",
    "forgot.html",
    "layout.html",
    "mail.html",
    "mail.txt",
    "recovery-codes.html",
    "reset.html",
    "security.html",
    "sign-in-link.html",
    "sign-in.html",
    "sign-out.html",
    "sign-up.html",
    "step-up.html",
    "totp.html",
    "undo-email-change.html",
    "verify.html",
];

/// The template that is plain text.
const PLAIN: &str = "mail.txt";

/// The templates by name.
type Sources = Vec<(&'static str, Cow<'static, str>)>;

/// The templates of the pages, and those of the application that replace them.
pub(super) struct PageTemplates {
    /// Those of emails, and of languages without texts.
    compiled: Environment<'static>,
    /// Those with the texts of a language, compiled when the language is used first.
    localized: HashMap<String, OnceLock<Environment<'static>>>,
    sources: Sources,
    own: Vec<(String, String)>,
    /// The directory that is read at each request.
    reloaded: Option<PathBuf>,
}

impl PageTemplates {
    /// Compiles all templates, or returns the error with its line.
    pub(super) fn new(
        own: Vec<(String, String)>,
        directory: Option<PathBuf>,
        words: &Words,
    ) -> Result<Self, String> {
        let is_known = |name: &str| BUILT_IN.iter().any(|(own, _)| *own == name);
        if let Some((unknown, _)) = own.iter().find(|(name, _)| !is_known(name)) {
            let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no template `{unknown}`: use {}", names.join(", ")));
        }
        if let Some(missing) = directory.as_ref().filter(|own| !own.is_dir()) {
            return Err(format!("template_dir `{}` is not a directory", missing.display()));
        }
        let sources = sources(&own, directory.as_ref());
        let compiled = environment(&sources, None)?;
        let tags = words.all().map(|language| (language.tag.clone(), OnceLock::new()));
        let localized = tags.collect();
        let reloaded = directory.filter(|_| cfg!(debug_assertions));
        Ok(Self { compiled, localized, sources, own, reloaded })
    }

    /// Renders a template.
    pub(super) fn render(&self, name: &str, values: Value) -> Result<String, String> {
        match &self.reloaded {
            Some(directory) => {
                let sources = sources(&self.own, Some(directory));
                render(&environment(&sources, None)?, name, values)
            }
            None => render(&self.compiled, name, values),
        }
    }

    /// Renders a template in a language.
    pub(super) fn render_in(
        &self,
        language: &Language,
        name: &str,
        values: Value,
    ) -> Result<String, String> {
        let localized = self.localized.get(&language.tag).filter(|_| self.reloaded.is_none());
        let Some(localized) = localized else { return self.render(name, values) };
        // The texts of a language cannot make a template invalid; if they could, it has `t`.
        let compile = || environment(&self.sources, Some(language));
        let compile = || compile().unwrap_or_else(|_| self.compiled.clone());
        render(localized.get_or_init(compile), name, values)
    }
}

fn render(environment: &Environment<'_>, name: &str, values: Value) -> Result<String, String> {
    let rendered = environment.get_template(name).and_then(|own| own.render(values));
    rendered.map_err(|error| format!("{error:#}"))
}

/// Returns the templates. A file of the directory has priority over a template of the application,
/// and both have priority over a built-in one.
fn sources(own: &[(String, String)], directory: Option<&PathBuf>) -> Sources {
    let source = |(name, built_in): &(&'static str, &'static str)| {
        let file = directory.and_then(|own| std::fs::read_to_string(own.join(name)).ok());
        let replaced = own.iter().rev().find(|(own, _)| own == name).map(|(_, text)| text.clone());
        let text = file.or(replaced).map_or(Cow::Borrowed(*built_in), Cow::Owned);
        (*name, text)
    };
    BUILT_IN.iter().map(source).collect()
}

/// Compiles the templates, with the texts of a language.
fn environment(
    sources: &Sources,
    language: Option<&Language>,
) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Everything is HTML, whatever its name, but for the plain text of emails.
    environment.set_auto_escape_callback(|name| match name {
        PLAIN => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) => {
            Ok(out.write_str(&escaped(text))?)
        }
        _ => escape_formatter(out, state, value),
    });
    environment.add_filter("plain", plain);
    for (name, source) in sources {
        let is_html = *name != PLAIN;
        let text = language.map(|own| localized(source, own, is_html));
        let text = text.unwrap_or_else(|| source.clone().into_owned());
        let added = environment.add_template_owned(*name, text);
        added.map_err(|error| format!("the template `{name}` is invalid: {error:#}"))?;
    }
    Ok(environment)
}

/// Returns a value as text whose invisible characters are shown.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => visible(text).into_owned(),
        None => visible(&value.to_string()).into_owned(),
    }
}

impl fmt::Debug for PageTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageTemplates").field("reloaded", &self.reloaded).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(name: &str, text: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), text.to_owned())]
    }

    fn templates(
        own: Vec<(String, String)>,
        directory: Option<PathBuf>,
    ) -> Result<PageTemplates, String> {
        PageTemplates::new(own, directory, &Words::new(&[], None).unwrap())
    }

    /// Every text without values is part of the template, so that rendering a page formats only the
    /// messages with values.
    #[test]
    fn texts_are_compiled_into_the_templates_of_their_language() {
        let words = Words::new(&[], None).unwrap();
        let mut count = 0;
        for language in words.all() {
            for (name, source) in BUILT_IN {
                let text = localized(source, language, *name != PLAIN);
                for call in text.split("t(\"").skip(1) {
                    let (id, rest) = call.split_once('"').unwrap();
                    let is_constant = language.constant(id).is_some() && rest.starts_with(')');
                    assert!(!is_constant, "{name} calls t(\"{id}\") in {}", language.tag);
                }
                count += source.matches("t(\"").count() - text.matches("t(\"").count();
            }
        }
        assert!(count > 6 * 150, "{count}");
    }

    #[test]
    fn templates_of_a_language_render_the_same_document() {
        let words = Words::new(&[], None).unwrap();
        let templates = PageTemplates::new(Vec::new(), None, &words).unwrap();
        for language in words.all() {
            let values = || {
                minijinja::context! {
                    t => language.function(), lang => language.tag.as_str(), dir => "ltr",
                    mount => "/account", routes => "/auth", suffix => "", assets => "/a", app => "A & <B>",
                    logo => (), action => "/x", more => "?a&b", return_to => "/", error => (),
                    typed => minijinja::context! { email => "a'b", persistent => true, display_name => "" },
                    ways => minijinja::context! {
                        password => true, usernames => false, forgot => true, passkey => true,
                        email => true, sign_up => true,
                    },
                    requirements => minijinja::context! { min => 8, length => 15, rules => "minlength: 15" },
                    providers => vec![minijinja::context! { href => "/p", name => "P" }],
                    is_sent => false, email => "", codes => vec!["1", "2"],
                }
            };
            for name in [
                "sign-in.html",
                "sign-up.html",
                "forgot.html",
                "sign-out.html",
                "recovery-codes.html",
            ] {
                let shared = templates.render(name, values()).unwrap();
                assert_eq!(
                    templates.render_in(language, name, values()).unwrap(),
                    shared,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn unknown_and_invalid_templates_are_errors() {
        assert!(templates(Vec::new(), None).is_ok());
        let unknown = templates(own("sign_in.html", ""), None).unwrap_err();
        assert!(unknown.contains("sign_in.html") && unknown.contains("sign-in.html"), "{unknown}");
        let invalid = templates(own("sign-in.html", "\n{% if %}"), None).unwrap_err();
        assert!(invalid.contains("sign-in.html") && invalid.contains('2'), "{invalid}");
        let missing = templates(Vec::new(), Some("/no/such/directory".into())).unwrap_err();
        assert!(missing.contains("/no/such/directory"));
    }

    #[test]
    fn template_of_the_application_is_escaped_and_reloaded() {
        let directory = std::env::temp_dir().join(format!("authlayer-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("sign-out.html");
        std::fs::write(&file, "{{ name }}").unwrap();
        let templates =
            templates(own("sign-out.html", "replaced"), Some(directory.clone())).unwrap();
        let values = || minijinja::context! { name => "</b>&\"'" };
        let rendered = templates.render("sign-out.html", values()).unwrap();
        assert_eq!(rendered, "&lt;/b&gt;&amp;&quot;&#39;");
        std::fs::write(&file, "again {{ name }}").unwrap();
        let again = templates.render("sign-out.html", values()).unwrap();
        assert_eq!(again.starts_with("again"), cfg!(debug_assertions));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
