//! The forms of the page of a user.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    gate::{lines, refused, writer},
    user::{parts, render, route, segment, user_page},
};
use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{gateway::Reply, visit::Visit},
};

type Answer = Result<Response, Response>;

/// The request that a form becomes: method, what follows the route of the user, and the body.
type Call = (Method, String, Option<Value>);

/// Handles a form of the page of a user.
pub(in crate::flow::pages) async fn change(
    path: Result<Path<(String, String)>, PathRejection>,
    visit: Visit,
) -> Answer {
    let (id, form) = parts(&visit, path)?;
    let own = user_page(&visit, &id);
    let suffix = visit.suffix();
    if !visit.is_post() {
        return Ok(visit.leave(&format!("{own}{suffix}"), Reply::none()));
    }
    let admin = writer(&visit, &own).await?;
    let call = match call(&visit, &form)? {
        Some(Ok(call)) => call,
        Some(Err(error)) => return render(&visit, &admin, &id, Some(&error)).await,
        None => return Err(visit.error(&ErrorKind::NotFound.into())),
    };
    let (method, below, body) = call;
    let path = format!("{}{below}", route(&id));
    let sent = match body {
        Some(body) => visit.send(method, &path, body).await,
        None => visit.call_empty(method, &path).await,
    };
    match (form.as_str(), sent) {
        ("impersonate", Ok(reply)) => Ok(visit.leave("/", reply)),
        ("delete", Ok(_)) => Ok(visit.to_page("admin")),
        ("password-reset", Ok(_)) => {
            let sign = if suffix.is_empty() { "?" } else { "&" };
            Ok(visit.leave(&format!("{own}{suffix}{sign}sent=1"), Reply::none()))
        }
        (_, Ok(_)) => Ok(visit.leave(&format!("{own}{suffix}"), Reply::none())),
        (_, Err(error)) if is_of_rule(&error) => Err(refused(&visit, error, &own)),
        (_, Err(error)) => render(&visit, &admin, &id, Some(&error)).await,
    }
}

/// Returns whether an error is one of the rule, and not of the act.
fn is_of_rule(error: &AuthError) -> bool {
    matches!(error.kind(), ErrorKind::StepUpRequired | ErrorKind::SetupRequired)
        || Visit::is_signed_out(error)
}

/// Returns the request for a form, or the error of an input; `None` if there is no such form.
fn call(visit: &Visit, form: &str) -> Result<Option<Result<Call, AuthError>>, Response> {
    let id = visit.input("id")?.map(segment);
    let patch =
        |body: Map<String, Value>| (Method::PATCH, String::new(), Some(Value::Object(body)));
    Ok(Some(Ok(match form {
        "profile" => {
            let mut body = visit.members(&["display_name", "username"])?;
            for name in ["display_name", "username"] {
                // An empty input removes the value.
                if visit.input(name)? == Some("") {
                    body.insert(name.to_owned(), Value::Null);
                }
            }
            patch(body)
        }
        "email" => patch(visit.members(&["email"])?),
        "verified" => {
            let verified = visit.input("verified")?.and_then(|own| own.parse::<bool>().ok());
            patch(Map::from_iter([("email_verified".to_owned(), json!(verified))]))
        }
        "access" => {
            let mut body = Map::new();
            for name in ["roles", "scopes"] {
                if let Some(text) = visit.input(name)? {
                    body.insert(name.to_owned(), json!(lines(text)));
                }
            }
            patch(body)
        }
        "status" => patch(visit.members(&["status"])?),
        "sessions" => match (id, visit.input("scope")?) {
            (Some(id), _) => (Method::DELETE, format!("/sessions/{id}"), None),
            (None, Some("all")) => (Method::DELETE, "/sessions".to_owned(), None),
            _ => return Ok(Some(Err(ErrorKind::NotFound.into()))),
        },
        "factors" => (Method::DELETE, format!("/factors/{}", id.unwrap_or_default()), None),
        "password-reset" => (Method::POST, "/password-reset".to_owned(), None),
        "impersonate" => {
            let mut body = visit.members(&["reason"])?;
            body.insert("transport".to_owned(), json!("cookie"));
            (Method::POST, "/impersonate".to_owned(), Some(Value::Object(body)))
        }
        "delete" if visit.input("confirm")? == Some("true") => {
            (Method::DELETE, String::new(), None)
        }
        "delete" => {
            let error = AuthError::new(ErrorKind::InvalidMembers);
            return Ok(Some(Err(error.with_extension("members", vec!["confirm"]))));
        }
        _ => return Ok(None),
    })))
}
