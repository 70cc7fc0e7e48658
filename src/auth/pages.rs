//! The pages of an application.

use axum::Router;

use super::Auth;
use crate::flow::pages::{PagesService, routes};

impl Auth {
    /// Returns the pages, to be nested at their path: `.nest("/account", auth.pages())`. Without the
    /// flow [`Pages`](crate::Pages) it has no routes.
    ///
    /// Every page is `no-store` and has a `Content-Security-Policy` without `unsafe-inline`. Forms
    /// from another site are rejected with or without a cookie, which prevents login CSRF.
    ///
    /// The router fits an application with any state. Alone it is `auth.pages::<()>()`.
    ///
    /// ```
    /// # use authlayer::Auth;
    /// # use axum::Router;
    /// fn app(auth: &Auth) -> Router {
    ///     Router::new()
    ///         .nest("/auth", auth.router())
    ///         .nest("/account", auth.pages())
    ///         .layer(auth.layer())
    /// }
    /// ```
    pub fn pages<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let pages = match self.core.offered::<PagesService>() {
            Some(pages) => routes::router(&self.core, pages, self.routes.own()),
            None => Router::new(),
        };
        pages.with_state(())
    }
}
