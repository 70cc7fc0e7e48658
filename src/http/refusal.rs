//! Responses to rejected requests.

use axum::{
    extract::OriginalUri,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{
    context::Context,
    error_page::{Visitor, error_page, prefers_html},
};
use crate::{
    error::{AuthError, ErrorKind},
    model::{Denial, Factor},
    services::{Core, PageLinks, ResourceMetadata},
};

/// The maximum length of a return path, which limits the size of the header.
const LONGEST_RETURN: usize = 2048;

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

/// Returns the response to a request that a guard rejects. If it is a 401 and the application is a
/// protected resource, it names the metadata of the resource (RFC 9728 §5.1).
pub(super) fn answer(page: Option<&str>, parts: &Parts, refusal: AuthError) -> Response {
    let mut response = respond(page, parts, refusal);
    let core = parts.extensions.get::<Context>().map(Context::core);
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(ResourceMetadata(url)) = core.and_then(|core| core.offered())
        && let Some(challenge) = response.headers().get(header::WWW_AUTHENTICATE)
    {
        let challenge = String::from_utf8_lossy(challenge.as_bytes());
        let sign = if challenge.contains('=') { "," } else { "" };
        let challenge = format!("{challenge}{sign} resource_metadata=\"{url}\"");
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

/// A browser that requests a page is redirected to the page where the user can satisfy the guard:
/// to `page`, or to the pages of this crate. A request of htmx gets the error with that page in
/// `HX-Redirect`, because a script does not see a redirect. Other requests get the error.
fn respond(page: Option<&str>, parts: &Parts, refusal: AuthError) -> Response {
    let is_htmx = parts.headers.get("hx-request").is_some_and(|value| value == "true");
    if !is_htmx && !prefers_html(&parts.headers) {
        return refusal.into_response();
    }
    let core = parts.extensions.get::<Context>().map(Context::core);
    let pages = core.and_then(|core| core.offered::<PageLinks>());
    let Some((page, fragment)) = next_page(page, pages, parts, &refusal, is_htmx) else {
        return match pages {
            Some(pages) if !is_htmx && is_read(parts) => {
                let context = parts.extensions.get::<Context>();
                let visitor =
                    Visitor { headers: &parts.headers, query: parts.uri.query(), context };
                // The route is one of the application.
                error_page(pages, visitor, refusal, HeaderValue::from_static("private"))
            }
            _ => refusal.into_response(),
        };
    };
    let back =
        if is_htmx { core.and_then(|core| current_page(core, parts)) } else { own_path(parts) };
    let place = match back {
        Some(back) => with_return(&page, &back, fragment),
        None => format!("{page}{fragment}"),
    };
    if is_htmx {
        let mut response = refusal.into_response();
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert("hx-redirect", place);
        }
        return response;
    }
    let mut response = Redirect::to(&place).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the page where the user can satisfy a guard, and its fragment.
fn next_page(
    page: Option<&str>,
    pages: Option<&PageLinks>,
    parts: &Parts,
    refusal: &AuthError,
    is_htmx: bool,
) -> Option<(String, &'static str)> {
    let can_return = is_htmx || is_read(parts);
    match refusal.kind() {
        ErrorKind::Unauthenticated | ErrorKind::InvalidToken | ErrorKind::DeviceProofRequired => {
            let page = page.map(ToOwned::to_owned);
            page.or_else(|| Some(pages?.path("sign-in"))).map(|page| (page, ""))
        }
        ErrorKind::StepUpRequired if can_return && has_methods(refusal) => {
            Some((pages?.path("step-up"), ""))
        }
        ErrorKind::SetupRequired if can_return => Some((pages?.path("security"), "#totp")),
        _ => None,
    }
}

/// Returns whether the user has a factor that would satisfy the guard.
fn has_methods(refusal: &AuthError) -> bool {
    let methods = refusal.extensions().iter().find(|(name, _)| *name == "methods");
    methods.and_then(|(_, all)| all.as_array()).is_some_and(|all| !all.is_empty())
}

fn is_read(parts: &Parts) -> bool {
    parts.method == Method::GET || parts.method == Method::HEAD
}

/// Returns path and query of a request that can be repeated. Only those of the request line are
/// used, so the redirect target never leaves the origin.
fn own_path(parts: &Parts) -> Option<String> {
    let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path = original.path_and_query().map_or("/", |path| path.as_str());
    let local = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
    let fits = path.len() <= LONGEST_RETURN && local && is_read(parts);
    fits.then(|| path.to_owned())
}

/// Returns the page that htmx sent a request from, if it is an allowed redirect target: path and
/// query for a page of this origin.
fn current_page(core: &Core, parts: &Parts) -> Option<String> {
    let url = parts.headers.get("hx-current-url")?.to_str().ok()?;
    let url = url.split('#').next().unwrap_or_default();
    let target = core.redirects.target(url).ok()?;
    let own = core.origins.iter().find_map(|origin| target.as_str().strip_prefix(origin));
    Some(match own {
        Some("") => "/".to_owned(),
        Some(path) if path.starts_with('/') && core.redirects.check(path).is_ok() => {
            path.to_owned()
        }
        _ => target.as_str().to_owned(),
    })
}

/// Returns a page with a return path.
fn with_return(page: &str, path: &str, fragment: &str) -> String {
    let sign = if page.contains('?') { '&' } else { '?' };
    format!("{page}{sign}return_to={}{fragment}", utf8_percent_encode(path, QUERY_VALUE))
}
