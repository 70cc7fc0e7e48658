//! The templates, compiled once.

use std::{borrow::Cow, fmt, path::PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, escape_formatter};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

/// The templates that are built in.
const BUILT_IN: &[(&str, &str)] = built_in![
    "api-key.html",
    "cancel-recovery.html",
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

/// The templates of the pages, and those of the application that replace them.
pub(super) struct PageTemplates {
    compiled: Environment<'static>,
    own: Vec<(String, String)>,
    /// The directory that is read at each request.
    reloaded: Option<PathBuf>,
}

impl PageTemplates {
    /// Compiles all templates, or returns the error with its line.
    pub(super) fn new(
        own: Vec<(String, String)>,
        directory: Option<PathBuf>,
    ) -> Result<Self, String> {
        let is_known = |name: &str| BUILT_IN.iter().any(|(own, _)| *own == name);
        if let Some((unknown, _)) = own.iter().find(|(name, _)| !is_known(name)) {
            let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no template `{unknown}`: use {}", names.join(", ")));
        }
        if let Some(missing) = directory.as_ref().filter(|own| !own.is_dir()) {
            return Err(format!("template_dir `{}` is not a directory", missing.display()));
        }
        let compiled = environment(&own, directory.as_ref())?;
        Ok(Self { compiled, own, reloaded: directory.filter(|_| cfg!(debug_assertions)) })
    }

    /// Renders a template.
    pub(super) fn render(&self, name: &str, values: Value) -> Result<String, String> {
        let render = |environment: &Environment<'_>| {
            let rendered = environment.get_template(name).and_then(|own| own.render(values));
            rendered.map_err(|error| format!("{error:#}"))
        };
        match &self.reloaded {
            Some(directory) => render(&environment(&self.own, Some(directory))?),
            None => render(&self.compiled),
        }
    }
}

/// Compiles the templates. A file of the directory has priority over a template of the application,
/// and both have priority over a built-in one.
fn environment(
    own: &[(String, String)],
    directory: Option<&PathBuf>,
) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Everything is HTML, whatever its name, but for the plain text of emails.
    environment.set_auto_escape_callback(|name| match name {
        "mail.txt" => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) => {
            Ok(out.write_str(&escaped(text))?)
        }
        _ => escape_formatter(out, state, value),
    });
    for (name, built_in) in BUILT_IN {
        let file = directory.and_then(|own| std::fs::read_to_string(own.join(name)).ok());
        let replaced = own.iter().rev().find(|(own, _)| own == name).map(|(_, text)| text.clone());
        let text = file.or(replaced).unwrap_or_else(|| (*built_in).to_owned());
        let added = environment.add_template_owned((*name).to_owned(), text);
        added.map_err(|error| format!("the template `{name}` is invalid: {error:#}"))?;
    }
    Ok(environment)
}

/// Escapes text for elements and quoted attributes. A slash, which the default escapes too, needs no
/// escaping there, and paths stay readable.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
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

    #[test]
    fn unknown_and_invalid_templates_are_errors() {
        assert!(PageTemplates::new(Vec::new(), None).is_ok());
        let unknown = PageTemplates::new(own("sign_in.html", ""), None).unwrap_err();
        assert!(unknown.contains("sign_in.html") && unknown.contains("sign-in.html"), "{unknown}");
        let invalid = PageTemplates::new(own("sign-in.html", "\n{% if %}"), None).unwrap_err();
        assert!(invalid.contains("sign-in.html") && invalid.contains('2'), "{invalid}");
        let missing =
            PageTemplates::new(Vec::new(), Some("/no/such/directory".into())).unwrap_err();
        assert!(missing.contains("/no/such/directory"));
    }

    #[test]
    fn template_of_the_application_is_escaped_and_reloaded() {
        let directory = std::env::temp_dir().join(format!("authlayer-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("sign-out.html");
        std::fs::write(&file, "{{ name }}").unwrap();
        let templates =
            PageTemplates::new(own("sign-out.html", "replaced"), Some(directory.clone())).unwrap();
        let values = || minijinja::context! { name => "</b>&\"'" };
        let rendered = templates.render("sign-out.html", values()).unwrap();
        assert_eq!(rendered, "&lt;/b&gt;&amp;&quot;&#39;");
        std::fs::write(&file, "again {{ name }}").unwrap();
        let again = templates.render("sign-out.html", values()).unwrap();
        assert_eq!(again.starts_with("again"), cfg!(debug_assertions));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
