//! The rule of administrators, before a page or an act.

use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::{Value, json};

use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{gateway::Reply, response::Page, visit::Visit},
    http::{AccessRejection, admit::check, admit_by_rule},
    services::AdminRules,
    session::AuthUser,
};

/// Returns the administrator who requests a page, by the rule of routes that read.
pub(super) async fn reader(visit: &Visit, back: &str) -> Result<AuthUser, Response> {
    admitted(visit, back, false).await
}

/// Returns the administrator who acts, by the rule of routes that write. As on other routes, the
/// user is authenticated before the form is read.
pub(super) async fn writer(visit: &Visit, back: &str) -> Result<AuthUser, Response> {
    admitted(visit, back, true).await
}

async fn admitted(visit: &Visit, back: &str, writes: bool) -> Result<AuthUser, Response> {
    let rules = visit.site.core.offered::<AdminRules>();
    let rules = rules.ok_or_else(|| visit.error(&ErrorKind::NotFound.into()))?;
    let rule = if writes { &rules.to_write } else { &rules.to_read };
    let admitted = admit_by_rule(&visit.parts, rule, writes).await;
    admitted.map_err(|error| refused(visit, error, back))
}

/// Returns whether the user of a page administers, so that the page links to administration.
pub(in crate::flow::pages::forms) async fn is_administrator(visit: &Visit) -> bool {
    let core = &visit.site.core;
    match (core.offered::<AdminRules>(), visit.user().await) {
        (Some(rules), Ok(Some(user))) => {
            user.require_own().is_ok() && check(core, &user, &rules.to_read).await.is_ok()
        }
        _ => false,
    }
}

/// Returns the response of a route that a page shows.
pub(super) async fn read(visit: &Visit, path: &str, back: &str) -> Result<Reply, Response> {
    let read = visit.call_empty(Method::GET, path).await;
    read.map_err(|error| refused(visit, error, back))
}

/// Redirects to the page where the user can satisfy the rule, from which `back` is the way back, or
/// shows the error. htmx gets the problem with that page.
pub(super) fn refused(visit: &Visit, error: AuthError, back: &str) -> Response {
    let response = match error.kind() {
        _ if Visit::is_signed_out(&error) && visit.is_post() => visit.to_page("sign-in"),
        _ if Visit::is_signed_out(&error) => visit.to_page_and_back("sign-in", back),
        ErrorKind::StepUpRequired if has_methods(&error) => visit.to_page_and_back("step-up", back),
        ErrorKind::SetupRequired => visit.to_enrollment_and_back(back),
        _ => return visit.error(&error),
    };
    let is_htmx = visit.parts.headers.get("hx-request").is_some_and(|value| value == "true");
    match is_htmx {
        true => AccessRejection::new(&visit.parts, error).into_response(),
        false => response,
    }
}

/// Returns whether the user has a factor that can be verified.
fn has_methods(error: &AuthError) -> bool {
    let methods = error.extensions().iter().find(|(name, _)| *name == "methods");
    methods.and_then(|(_, all)| all.as_array()).is_some_and(|all| !all.is_empty())
}

/// Creates a page of administration.
pub(super) fn admin_page<'a>(
    visit: &Visit,
    name: &'static str,
    inputs: &'static [&'static str],
) -> Page<'a> {
    Page::new(name, inputs).value("has_events", visit.site.core.has_route("/admin/events"))
}

/// Returns the inputs that were posted, so that a page keeps them; others are null.
pub(super) fn typed(visit: &Visit, inputs: &[&str]) -> Result<Value, Response> {
    let mut typed = serde_json::Map::new();
    for name in inputs {
        let value = if visit.is_post() { visit.input(name)? } else { None };
        typed.insert((*name).to_owned(), json!(value));
    }
    Ok(Value::Object(typed))
}

/// Returns the entries of a list, one in each line.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.filter(|line| !line.trim().is_empty()).collect()
}
