//! Templates, messages and assets, without HTTP.

use std::{collections::HashMap, fmt, sync::Arc};

use minijinja::Value;

use super::{
    Pages, Theme,
    assets::Assets,
    templates::PageTemplates,
    values::{PageContext, Values},
    words::{Language, Words},
};
use crate::error::{AuthError, ErrorKind};

/// Renders the pages. The service has no public methods: [`Auth::pages`](crate::Auth::pages) serves
/// the pages.
#[derive(Clone)]
pub struct PagesService(Arc<PageParts>);

struct PageParts {
    mount: String,
    /// The mount path of the routes that scripts call.
    routes: String,
    theme: Theme,
    templates: PageTemplates,
    words: Words,
    assets: Assets,
    /// The values that all pages of a language have.
    shared: HashMap<String, Arc<Values>>,
}

impl PagesService {
    /// Compiles the templates and words of pages beside routes at this path.
    pub(super) fn new(routes: String, options: Pages) -> Result<Self, String> {
        let Pages { theme, mount, directory, templates, words, default_language } = options;
        let words = Words::new(&words, default_language.as_deref())?;
        let mut parts = PageParts {
            routes,
            assets: Assets::new(&theme)?,
            templates: PageTemplates::new(templates, directory, &words)?,
            words,
            mount,
            theme,
            shared: HashMap::new(),
        };
        let tags = parts.words.all();
        let shared = tags.map(|own| (own.tag.clone(), Arc::new(parts.shared_values(own))));
        parts.shared = shared.collect();
        Ok(Self(Arc::new(parts)))
    }

    pub(super) fn words(&self) -> &Words {
        &self.0.words
    }

    pub(super) fn assets(&self) -> &Assets {
        &self.0.assets
    }

    pub(super) fn theme(&self) -> &Theme {
        &self.0.theme
    }

    /// Renders a template with these values only.
    pub(super) fn render_mail(&self, template: &str, values: Value) -> Result<String, String> {
        self.0.templates.render(template, values).map_err(|error| format!("{template}: {error}"))
    }

    /// Returns the path of a page.
    pub(super) fn path(&self, page: &str) -> String {
        format!("{}/{page}", self.0.mount)
    }

    /// Returns the path of the routes of the flows.
    pub(super) fn routes(&self) -> &str {
        &self.0.routes
    }

    /// Returns the `Content-Security-Policy` of a page whose forms may lead to these origins.
    pub(super) fn policy(&self, form_origins: &[String]) -> String {
        let images = self.0.theme.logo_origin().unwrap_or_default();
        let separator = if images.is_empty() { "" } else { " " };
        let mut forms = String::new();
        for origin in form_origins {
            forms.push(' ');
            forms.push_str(origin);
        }
        format!(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             img-src 'self' data:{separator}{images}; form-action 'self'{forms}; \
             base-uri 'none'; frame-ancestors 'none'"
        )
    }

    /// Renders a template with the values of a page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if a template of the application fails.
    pub(super) fn render(
        &self,
        template: &str,
        language: &Language,
        suffix: &str,
        mut page: Values,
    ) -> Result<String, AuthError> {
        let shared = self.0.shared.get(&language.tag).map(Arc::clone);
        let shared = shared.unwrap_or_else(|| Arc::new(self.0.shared_values(language)));
        page.insert("suffix", suffix.into());
        let values = Value::from_object(PageContext { page, shared });
        self.0.templates.render_in(language, template, values).map_err(|error| {
            let error = format!("the template {template}: {error}");
            AuthError::new(ErrorKind::Misconfigured).with_source(error)
        })
    }
}

impl PageParts {
    fn shared_values(&self, language: &Language) -> Values {
        let Self { mount, routes, theme, assets, words, .. } = self;
        let names = words.all().map(|own| {
            let name = own.constant("language-name").unwrap_or_else(|| own.tag.clone());
            Value::from(vec![own.tag.clone(), name])
        });
        Values::from([
            ("t", language.function()),
            ("lang", language.tag.as_str().into()),
            ("dir", language.direction().into()),
            ("mount", mount.as_str().into()),
            ("routes", routes.as_str().into()),
            ("assets", format!("{mount}/assets/{}", assets.hash).into()),
            ("app", theme.name.as_str().into()),
            ("logo", theme.logo.clone().into()),
            ("languages", names.collect::<Vec<_>>().into()),
            ("language_tags", words.all().map(|own| own.tag.clone()).collect::<Vec<_>>().into()),
        ])
    }
}

impl fmt::Debug for PagesService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagesService").field("mount", &self.0.mount).finish_non_exhaustive()
    }
}
