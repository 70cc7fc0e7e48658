//! The page on which a user approves or denies a program.

use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{gateway::Reply, response::Page, visit::Visit},
    http::Context,
    model::Email,
    session::AuthUser,
};

type Answer = Result<Response, Response>;

const INPUTS: &[&str] = &["user_code"];

/// Shows the form. A code in the query fills the input and is not looked up, since a link may come
/// from another person.
pub(in crate::flow::pages) async fn show(visit: Visit) -> Answer {
    let user = match visit.user().await {
        Ok(Some(user)) => user,
        Ok(None) => return Ok(visit.to_page_and_back("sign-in", &own_path(&visit))),
        Err(error) => return Err(visit.error(&error)),
    };
    let is_done = visit.parameter("done")? == Some("1");
    let code = visit.parameter("user_code")?.unwrap_or_default().to_owned();
    let page = page(&visit, &user, &code, Value::Null, None);
    Ok(visit.page(page.value("is_done", is_done)))
}

/// Shows the request of a code, or sends the decision about it.
pub(in crate::flow::pages) async fn decide(visit: Visit) -> Answer {
    // As on other routes, the user is authenticated before the form is read.
    let user = match Context::require_now(&visit.context).await {
        Ok(user) => user,
        Err(error) if Visit::is_signed_out(&error) => return Ok(visit.to_page("sign-in")),
        Err(error) => return Err(visit.error(&error)),
    };
    let code = visit.input("user_code")?.unwrap_or_default().to_owned();
    let mut body = Map::new();
    if let Some(code) = visit.input("user_code")? {
        body.insert("user_code".to_owned(), json!(code));
    }
    let approve = match visit.input("decision")? {
        None => None,
        Some("approve") => Some(true),
        Some("deny") => Some(false),
        Some(_) => return Err(visit.error(&ErrorKind::InvalidRequest.into())),
    };
    let path = match approve {
        None => "/device-authorization/request",
        Some(approve) => {
            body.insert("approve".to_owned(), json!(approve));
            "/device-authorization/decide"
        }
    };
    let sent = visit.send(Method::POST, path, Value::Object(body)).await;
    match sent {
        Ok(request) if approve.is_none() => {
            Ok(visit.page(page(&visit, &user, &code, request.body, None)))
        }
        Ok(_) => Ok(done(&visit)),
        Err(error) if error.kind() == ErrorKind::StepUpRequired => {
            Ok(visit.to_page_and_back("step-up", &own_path(&visit)))
        }
        Err(error) if Visit::is_signed_out(&error) => Ok(visit.to_page("sign-in")),
        Err(error) => Ok(visit.page(page(&visit, &user, &code, Value::Null, Some(&error)))),
    }
}

/// Returns the path of this page. A code in its query remains, so that a user who followed a link
/// does not type it.
fn own_path(visit: &Visit) -> String {
    visit.own_path("device")
}

fn done(visit: &Visit) -> Response {
    let suffix = visit.suffix();
    let sign = if suffix.is_empty() { "?" } else { "&" };
    let place = format!("{}{suffix}{sign}done=1", visit.site.pages.path("device"));
    visit.leave(&place, Reply::none())
}

fn page<'a>(
    visit: &Visit,
    user: &AuthUser,
    code: &str,
    request: Value,
    error: Option<&'a AuthError>,
) -> Page<'a> {
    let address = user.user().email.as_ref().map(Email::as_str);
    let is_unknown = error.is_some_and(|error| error.kind() == ErrorKind::NotFound);
    Page::new("device", INPUTS)
        .value("own", own_path(visit))
        .value("address", json!(address))
        .value("user_code", code)
        .value("request", request)
        .value("is_unknown", is_unknown)
        .value("is_done", false)
        .error(error)
}
