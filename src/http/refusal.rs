//! What somebody who may not pass is told.

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

/// A longer return path is left out, so that no header grows with it.
const LONGEST_RETURN: usize = 1024;

/// What stays readable in a query value.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl From<Denial> for AuthError {
    fn from(denial: Denial) -> Self {
        if denial.setup_required {
            return Self::new(ErrorKind::SetupRequired);
        }
        let Some(step_up) = denial.step_up else {
            return Self::new(ErrorKind::Forbidden).with_member("missing", denial.missing);
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
            .with_member("required", required)
            .with_member("methods", methods)
    }
}

/// The answer: for somebody who asks for a page and is nobody yet, the way to `page`.
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

/// Whether HTML is named in `Accept`, and before JSON if that is named too.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| match (accept.find("text/html"), accept.find("json")) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, _) => false,
    })
}

/// The page with the path that was asked for. Only the path and query of the request
/// line are used, so the way back never leaves the origin.
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
