//! The page of a user.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::gate::{admin_page, read, reader, typed};
use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{
        mails::device_name,
        values::{Values, entries, entry},
        visit::Visit,
    },
    session::AuthUser,
};

type Answer = Result<Response, Response>;

const INPUTS: &[&str] =
    &["display_name", "username", "email", "roles", "scopes", "reason", "confirm"];
/// The characters of an id that are escaped in a path.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Returns the route of a user.
pub(super) fn route(id: &str) -> String {
    format!("/admin/users/{}", segment(id))
}

/// Returns the path of the page of a user.
pub(super) fn user_page(visit: &Visit, id: &str) -> String {
    visit.site.pages.path(route(id).trim_start_matches('/'))
}

pub(super) fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

/// Returns the parts of a path, or the page for an unknown one.
pub(super) fn parts<T>(visit: &Visit, path: Result<Path<T>, PathRejection>) -> Result<T, Response> {
    path.map(|Path(parts)| parts).map_err(|_| visit.error(&ErrorKind::NotFound.into()))
}

pub(in crate::flow::pages) async fn show(
    path: Result<Path<String>, PathRejection>,
    visit: Visit,
) -> Answer {
    let id = parts(&visit, path)?;
    let back = user_page(&visit, &id);
    let admin = reader(&visit, &back).await?;
    render(&visit, &admin, &id, None).await
}

/// Renders the page, with the error of an act.
pub(super) async fn render(
    visit: &Visit,
    admin: &AuthUser,
    id: &str,
    error: Option<&AuthError>,
) -> Answer {
    let (core, route, back) = (&visit.site.core, route(id), user_page(visit, id));
    let device = |agent: &str| device_name(agent, &visit.language);
    let mut user = read(visit, &route, &back).await?.body;
    let texts = |name: &str| list_text(user.get(name));
    let (roles, scopes) = (texts("roles"), texts("scopes"));
    let identities = user.get_mut("identities").map(Value::take).unwrap_or_default();
    let mut values =
        Values::from([("identities", entries(identities, device)), ("user", entry(user, device))]);
    for name in ["sessions", "factors"] {
        let mut body = read(visit, &format!("{route}/{name}"), &back).await?.body;
        let list = body.get_mut(name).map(Value::take).unwrap_or_default();
        values.insert(name, entries(list, device));
    }
    let events = visit.site.pages.path("admin/events");
    let is_sent = visit.parts.method == Method::GET && visit.parameter("sent")?.is_some();
    let page = admin_page(visit, "admin-user", INPUTS)
        .values(values)
        .value("here", back)
        .value("roles", roles)
        .value("scopes", scopes)
        .value("typed", typed(visit, INPUTS)?)
        .value(
            "events",
            format!("{events}?user_id={}{}", segment(id), visit.suffix().replace('?', "&")),
        )
        .value("is_self", admin.user().id.as_str() == id)
        .value("is_sent", is_sent)
        .value("has_usernames", core.usernames.is_enabled())
        .value("has_resets", core.has_route("/password/forgot"));
    Ok(visit.page(page.error(error)))
}

/// Returns roles or scopes for an input, one in each line. A line break in one does not make two of
/// it.
fn list_text(list: Option<&Value>) -> Value {
    let texts = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let texts = texts.map(|text| text.replace(char::is_control, "\u{fffd}"));
    json!(texts.collect::<Vec<_>>().join("\n"))
}
