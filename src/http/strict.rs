//! The callback of a provider if the cookies of the session are `SameSite=Strict`.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use crate::{
    services::{Client, Core},
    session::SameSite,
};

impl Client {
    /// Returns a page that loads the same URL again, if the browser comes from another site and so
    /// withholds cookies that are `SameSite=Strict`. Otherwise returns `None`.
    ///
    /// The callback of a provider calls it before anything is consumed.
    ///
    /// ```
    /// use authlayer::Client;
    /// use axum::response::{IntoResponse, Response};
    ///
    /// async fn callback(client: Client) -> Response {
    ///     client.same_site_reload().unwrap_or_else(|| "with all cookies".into_response())
    /// }
    /// ```
    pub fn same_site_reload(&self) -> Option<Response> {
        comes_without_cookies(self.context().core(), self.headers()).then(load_again)
    }
}

/// Returns whether the browser comes from another site and so withholds `SameSite=Strict` cookies.
pub(crate) fn comes_without_cookies(core: &Core, headers: &HeaderMap) -> bool {
    let strict = core.sessions.options().cookie.same_site == SameSite::Strict;
    strict && headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// Returns a page that loads the same URL again, this time from the same site.
pub(crate) fn load_again() -> Response {
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Signing in</title>\
        <p><a href=\"\">Continue</a></p></html>";
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    headers.insert(header::REFRESH, HeaderValue::from_static("0"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
