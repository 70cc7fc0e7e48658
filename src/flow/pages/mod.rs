//! Ready pages for sign-in, sign-up and the account, which work without JavaScript.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`mount_path`](Pages::mount_path) | `/account` | the path at which [`Auth::pages`](crate::Auth::pages) is nested; redirects and links in messages lead there |
//! | [`template`](Pages::template), [`template_dir`](Pages::template_dir) | built in | each page can be replaced by a template of the application |
//! | [`words`](Pages::words) | English, German, French, Spanish, Japanese, Arabic | replaces messages, or adds a language |
//! | [`default_language`](Pages::default_language) | `en` | for a client and a user whose languages do not exist |
//! | [`Theme`] | system font, light and dark | name, logo, colors |
//!
//! - A page calls the routes of the flows, in the same process, with the cookies of the browser.
//!   Every rule, limit and hook of a flow therefore applies to its page too.
//! - A form from another site is rejected, with or without a cookie.
//! - The challenge of a pending sign-in and the token of a link are in `HttpOnly` cookies, never in
//!   the URL of a page.
//! - Text of users and of requests is escaped in every template, whatever its name. Nothing inline
//!   is executed: `Content-Security-Policy` allows one style sheet and one script.
//! - A return path is a path of the application or an allowed target, or it is ignored.
//!
//! A deployment breaks the protection if a proxy removes `Origin` and `Sec-Fetch-Site`, or replaces
//! `Content-Security-Policy`.

#![allow(clippy::result_large_err, reason = "the error of a form is the response itself")]

mod assets;
mod calls;
mod color;
mod escape;
mod flow;
mod forms;
mod gateway;
mod localized;
mod mails;
mod messages;
mod problem;
mod response;
pub(crate) mod routes;
mod service;
mod site;
mod templates;
mod theme;
mod values;
mod visible;
mod visit;
mod words;

use std::path::PathBuf;

pub use mails::MailTemplates;
pub use service::PagesService;
pub use theme::{ColorScheme, Theme};

/// The options of the pages.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use authlayer::{Auth, Pages, Password, RequireUser, SqliteStore, Theme};
/// use axum::{Router, routing::get};
///
/// let auth = Auth::builder(SqliteStore::open("app.db").await?)
///     .origin("http://localhost:3000")
///     .flow(Password::new())
///     .flow(Pages::new(Theme::new("Example").accent("#0a7")))
///     .build()?;
/// let app: Router = Router::new()
///     .route("/", get(async || "signed in"))
///     .route_layer(RequireUser::new()) // redirects browsers to the sign-in page
///     .nest("/auth", auth.router())
///     .nest("/account", auth.pages())
///     .layer(auth.layer());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Pages {
    theme: Theme,
    mount: String,
    directory: Option<PathBuf>,
    templates: Vec<(String, String)>,
    words: Vec<(String, String)>,
    default_language: Option<String>,
}

impl Pages {
    /// Creates the pages with a theme.
    pub fn new(theme: Theme) -> Self {
        Self {
            theme,
            mount: "/account".to_owned(),
            directory: None,
            templates: Vec::new(),
            words: Vec::new(),
            default_language: None,
        }
    }

    /// Sets the path at which [`Auth::pages`](crate::Auth::pages) is nested.
    pub fn mount_path(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }

    /// Replaces a template, for example `sign-in.html`, by a template of the application in the
    /// syntax of Jinja. Pass `include_str!("…")` to compile it into the program.
    ///
    /// ```
    /// use authlayer::{Pages, Theme};
    /// let own = "{% extends \"layout.html\" %}{% block main %}<h1>Goodbye</h1>\
    ///            <form method=\"post\" action=\"{{ action }}\"><button>Sign out</button></form>\
    ///            {% endblock %}";
    /// let pages = Pages::new(Theme::new("Example")).template("sign-out.html", own);
    /// ```
    ///
    /// # Security
    ///
    /// Values are escaped unless the template uses the filter `safe`.
    pub fn template(mut self, name: impl Into<String>, source: impl Into<String>) -> Self {
        self.templates.push((name.into(), source.into()));
        self
    }

    /// Sets a directory whose files replace the templates of the same name. A debug build reads
    /// them at each request, so a change is visible after a reload; a release build reads them once.
    pub fn template_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds messages in the syntax of Project Fluent, without terms, attributes and functions. They
    /// replace those of the language, such as `de`, or add a language; messages that it lacks are in
    /// English. Emails have the same words, in messages that begin with `mail-`.
    ///
    /// ```
    /// use authlayer::{Pages, Theme};
    /// let pages = Pages::new(Theme::new("Example")).words("en", "sign-in-title = Welcome back");
    /// ```
    pub fn words(mut self, language: impl Into<String>, messages: impl Into<String>) -> Self {
        self.words.push((language.into(), messages.into()));
        self
    }

    /// Sets the language of pages and emails for a client and a user whose languages do not exist: a
    /// page is in the language of `?lang=`, else in the `locale` of the user, else in the best one of
    /// `Accept-Language`, else in this one. Build returns an error if it has no words.
    ///
    /// ```
    /// use authlayer::{Pages, Theme};
    /// let pages = Pages::new(Theme::new("Example")).default_language("de");
    /// ```
    pub fn default_language(mut self, tag: impl Into<String>) -> Self {
        self.default_language = Some(tag.into());
        self
    }
}
