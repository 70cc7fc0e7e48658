//! Errors as pages: of guards, and of sign-ins at a provider.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{
    context::Context,
    query::Query,
    reply::{self, NO_STORE},
};
use crate::{
    error::AuthError,
    model::accept::preferred,
    services::{Client, Core, LanguagePreference, PageLinks, Services},
};

/// The request that an error page responds to.
#[derive(Clone, Copy)]
pub(crate) struct Visitor<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: Option<&'a str>,
    pub(crate) context: Option<&'a Context>,
}

impl Services {
    /// Returns an error to a browser that was redirected: a redirect to the error page of the
    /// application ([`error_page`](crate::AuthBuilder::error_page)), or the page of
    /// [`Pages`](crate::Pages), or the problem document.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, services::Services};
    /// use axum::response::Response;
    ///
    /// fn landed(
    ///     services: &Services,
    ///     client: &Client,
    ///     outcome: Result<Response, AuthError>,
    /// ) -> Response {
    ///     outcome.unwrap_or_else(|error| services.error_redirect(client, error))
    /// }
    /// ```
    pub fn error_redirect(&self, client: &Client, error: AuthError) -> Response {
        let visitor = Visitor { headers: client.headers(), query: None, context: None };
        show_error(client.context().core(), visitor, error)
    }
}

/// Returns the error of a redirect, such as that of a callback: a redirect to the error page of the
/// application, or the page of this crate for a browser, or the problem document.
pub(crate) fn show_error(core: &Core, visitor: Visitor<'_>, error: AuthError) -> Response {
    if let Some(page) = core.redirects.error_page() {
        let page = reply::with_parameter(page, "error", error.kind().code());
        let _logged = error.into_response();
        return reply::see_other(&page);
    }
    match core.offered::<PageLinks>().filter(|_| prefers_html(visitor.headers)) {
        Some(pages) => error_page(pages, visitor, error, NO_STORE),
        None => error.into_response(),
    }
}

/// Returns an error as a page.
pub(super) fn error_page(
    pages: &PageLinks,
    visitor: Visitor<'_>,
    error: AuthError,
    cache: HeaderValue,
) -> Response {
    let query = Query::parse(visitor.query.unwrap_or_default());
    let user = visitor.context.and_then(Context::found);
    let locale = user.as_ref().and_then(|own| own.user().user_metadata.get("locale"));
    let accept = visitor.headers.get(header::ACCEPT_LANGUAGE);
    let preference = LanguagePreference {
        query: query.once("lang").ok().flatten(),
        user: locale.and_then(Value::as_str),
        accept: accept.and_then(|value| value.to_str().ok()),
    };
    let page = pages.errors.render(&error, preference);
    // The status and the headers of the problem document, such as `Retry-After`, apply to the page
    // too.
    let mut response = error.into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    *response.body_mut() = Body::from(page.html);
    response
}

/// Returns whether `Accept` names HTML, and prefers it to JSON if it names both.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let types = preferred(accept.unwrap_or_default());
    let position = |is: fn(&str) -> bool| types.iter().position(|own| is(own));
    let html = position(|own| own.eq_ignore_ascii_case("text/html"));
    let json = position(|own| own.to_ascii_lowercase().contains("json"));
    html.is_some_and(|html| json.is_none_or(|json| html < json))
}
