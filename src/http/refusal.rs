//! Responses to rejected requests.

use axum::{
    extract::OriginalUri,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, header, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::{
    error::{AuthError, ErrorKind},
    model::{Denial, Factor},
};

/// The maximum length of a return path, which limits the size of the header.
const LONGEST_RETURN: usize = 1024;

/// The characters that are escaped in a query value.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl From<Denial> for AuthError {
    fn from(denial: Denial) -> Self {
        if denial.setup_required {
            return Self::new(ErrorKind::SetupRequired);
        }
        let Some(step_up) = denial.step_up else {
            return Self::new(ErrorKind::Forbidden).with_extension("missing", denial.missing);
        };
        let mut required = Map::new();
        if let Some(age) = step_up.within {
            required.insert("within_seconds".to_owned(), Value::from(age.as_secs()));
        }
        if let Some(factor) = step_up.factor {
            required.insert("factor".to_owned(), Value::from(factor.as_str()));
        }
        let methods: Vec<_> = step_up.methods.into_iter().map(Factor::as_str).collect();
        Self::new(ErrorKind::StepUpRequired)
            .with_extension("required", required)
            .with_extension("methods", methods)
    }
}

/// Returns the error response, or a redirect to `page` for a browser that requests a page without a
/// valid session.
pub(super) fn answer(page: Option<&str>, parts: &Parts, refusal: AuthError) -> Response {
    let nobody = matches!(refusal.kind(), ErrorKind::Unauthenticated | ErrorKind::InvalidToken);
    match page {
        Some(page) if nobody && wants_a_page(&parts.headers) => {
            let mut response = Redirect::to(&with_return(page, parts)).into_response();
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
            response
        }
        _ => refusal.into_response(),
    }
}

/// Returns whether `Accept` names HTML, and before JSON if it names both.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| match (accept.find("text/html"), accept.find("json")) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, _) => false,
    })
}

/// Returns the page with the requested path as `return_to`. Only the path and query of the request
/// line are used, so the redirect target never leaves the origin.
fn with_return(page: &str, parts: &Parts) -> String {
    let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path = original.path_and_query().map_or("/", |path| path.as_str());
    let local = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
    if parts.method != Method::GET || path.len() > LONGEST_RETURN || !local {
        return page.to_owned();
    }
    let sign = if page.contains('?') { '&' } else { '?' };
    format!("{page}{sign}return_to={}", utf8_percent_encode(path, QUERY_VALUE))
}
