//! Responses: pages, and redirects to other pages.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::{
    gateway::Reply,
    problem::Problem,
    values::{Values, view},
    visit::Visit,
};
use crate::{
    error::{AuthError, ErrorKind, after_commit},
    http::{cookie, reply},
    redirect::form_source,
    services::ChallengeHandle,
};

/// A page that is to be rendered.
#[derive(Debug)]
pub(super) struct Page<'a> {
    name: &'static str,
    status: StatusCode,
    values: Values,
    inputs: &'static [&'static str],
    error: Option<&'a AuthError>,
    return_to: Option<&'a str>,
    form_origins: Vec<String>,
}

impl<'a> Page<'a> {
    /// Creates a page with the names of its inputs, which errors can concern.
    pub(super) fn new(name: &'static str, inputs: &'static [&'static str]) -> Self {
        Self {
            name,
            status: StatusCode::OK,
            values: Values::new(),
            inputs,
            error: None,
            return_to: None,
            form_origins: Vec::new(),
        }
    }

    pub(super) fn value(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.insert(name, view(value.into()));
        self
    }

    /// Adds a value of a template.
    pub(super) fn template_value(mut self, name: &'static str, value: &minijinja::Value) -> Self {
        self.values.insert(name, value.clone());
        self
    }

    /// Adds several values.
    pub(super) fn values(mut self, values: Values) -> Self {
        self.values.extend(values);
        self
    }

    /// Sets the path that the forms of the page retain.
    pub(super) fn return_to(mut self, target: Option<&'a str>) -> Self {
        self.return_to = target;
        self
    }

    /// Shows an error, with its status.
    pub(super) fn error(mut self, error: Option<&'a AuthError>) -> Self {
        self.status = error.map_or(StatusCode::OK, AuthError::status);
        self.error = error;
        self
    }

    /// Allows forms that are redirected to these origins.
    pub(super) fn form_origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.form_origins.extend(origins);
        self
    }
}

impl Visit {
    /// Renders a page.
    pub(super) fn page(&self, page: Page<'_>) -> Response {
        let Page { name, status, mut values, inputs, error, return_to, mut form_origins } = page;
        let problem = error.map(|error| Problem::new(error, &self.language, inputs));
        let pages = &self.site.pages;
        let suffix = self.suffix();
        values.insert("error", view(problem.map(|own| own.to_json()).unwrap_or_default()));
        values.insert("return_to", return_to.into());
        // The form that ends an impersonation, on every page.
        let acts = self.context.found().filter(|user| user.session().impersonator.is_some());
        let end = acts.map(|_| format!("{}{suffix}", pages.path("end-impersonation")));
        values.insert("end_impersonation", end.into());
        // The query of links to pages that lead back to the same place.
        values.insert("more", self.query_with(return_to).into());
        values.insert("action", format!("{}{suffix}", pages.path(name)).into());
        form_origins.extend(return_to.and_then(form_source));
        form_origins.sort_unstable();
        form_origins.dedup();
        let template = format!("{name}.html");
        let html = pages.render(&template, &self.language, &suffix, values);
        let html = match html {
            Ok(html) => html,
            Err(error) => return error.into_response(),
        };
        let mut response = (status, Html(html)).into_response();
        if let Some(error) = error {
            add_error_headers(response.headers_mut(), error);
        }
        add_headers(response.headers_mut(), &pages.policy(&form_origins));
        response
    }

    /// Renders an error that concerns no form.
    pub(super) fn error(&self, error: &AuthError) -> Response {
        self.page(Page::new("error", &[]).error(Some(error)))
    }

    /// Redirects to a page.
    pub(super) fn to_page(&self, page: &str) -> Response {
        no_store(reply::see_other(&format!("{}{}", self.site.pages.path(page), self.suffix())))
    }

    /// Redirects to a page with a return path.
    pub(super) fn to_page_and_back(&self, page: &str, back: &str) -> Response {
        let place = format!("{}{}", self.site.pages.path(page), self.query_with(Some(back)));
        no_store(reply::see_other(&place))
    }

    /// Redirects to the page on which a user adds a second factor, with a return path.
    pub(super) fn to_enrollment_and_back(&self, back: &str) -> Response {
        let page = self.site.pages.path("security");
        let place = format!("{page}{}#totp", self.query_with(Some(back)));
        no_store(reply::see_other(&place))
    }

    /// Returns the path of this request below a page, with its query.
    pub(super) fn own_path(&self, page: &str) -> String {
        let query = self.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.site.pages.path(page))
    }

    /// Returns the query with the language and a return path.
    fn query_with(&self, return_to: Option<&str>) -> String {
        let suffix = self.suffix();
        let Some(target) = return_to else { return suffix };
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("return_to", target).finish();
        let sign = if suffix.is_empty() { "?" } else { "&" };
        format!("{suffix}{sign}{query}")
    }

    /// Redirects to a target that was checked, with the cookies of a route.
    pub(super) fn leave(&self, target: &str, reply: Reply) -> Response {
        with_cookies(no_store(reply::see_other(target)), reply)
    }

    /// Answers a form whose route succeeded: with a session it leads to the return path, and with a
    /// pending challenge to the page that asks for the code.
    pub(super) async fn conclude(&self, reply: Reply, return_to: Option<&str>) -> Response {
        let handle = match (reply.status, reply.body.get("challenge").and_then(Value::as_str)) {
            (StatusCode::ACCEPTED, Some(handle)) => ChallengeHandle::new(handle),
            _ => {
                let own = reply.body.get("redirect_to").and_then(Value::as_str);
                let target = own.or(return_to).unwrap_or("/").to_owned();
                return self.leave(&target, reply);
            }
        };
        let core = &self.site.core;
        if let Some(target) = return_to {
            let stored = core.set_return_to(&handle, target);
            after_commit("the return target of a sign-in was not stored", stored).await;
        }
        let line = cookie::set_pending(core, handle.expose());
        let mut response = with_cookies(self.to_page("verify"), reply);
        response.headers_mut().append(header::SET_COOKIE, line);
        response
    }

    /// Returns whether an error says that there is no session, in which case the user signs in.
    pub(super) fn is_signed_out(error: &AuthError) -> bool {
        matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::InvalidToken)
    }
}

/// Adds the cookies of a route to a response.
pub(super) fn with_cookies(mut response: Response, reply: Reply) -> Response {
    for line in reply.cookies {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds the headers that the problem document of an error has.
fn add_error_headers(headers: &mut HeaderMap, error: &AuthError) {
    if error.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry = error.extensions().iter().find(|(name, _)| *name == "retry_after");
    if let Some(seconds) = retry.and_then(|(_, seconds)| seconds.as_u64()) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Adds the headers of all pages.
fn add_headers(headers: &mut HeaderMap, policy: &str) {
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
