//! The page that creates or invites a user.

use axum::response::Response;
use http::Method;
use serde_json::{Value, json};

use super::{
    gate::{admin_page, lines, refused, typed, writer},
    user::user_page,
};
use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{gateway::Reply, visit::Visit},
};

type Answer = Result<Response, Response>;

const PAGE: &str = "admin/new";
const INPUTS: &[&str] = &["email", "display_name", "password", "roles", "scopes"];
/// The inputs that the page keeps.
const TYPED: &[&str] = &["email", "display_name", "roles", "scopes", "credential", "verified"];

/// Shows the form, to an administrator who can send it.
pub(in crate::flow::pages) async fn show(visit: Visit) -> Answer {
    writer(&visit, &visit.own_path(PAGE)).await?;
    page(&visit, None)
}

pub(in crate::flow::pages) async fn create(visit: Visit) -> Answer {
    let back = visit.site.pages.path(PAGE);
    writer(&visit, &back).await?;
    let mut body = visit.members(&["email", "display_name"])?;
    if body.get("display_name").is_some_and(|name| name == "") {
        body.remove("display_name");
    }
    for name in ["roles", "scopes"] {
        body.insert(name.to_owned(), json!(lines(visit.input(name)?.unwrap_or_default())));
    }
    if visit.input("verified")? == Some("true") {
        body.insert("email_verified".to_owned(), json!(true));
    }
    match visit.input("credential")? {
        Some("invitation") => {
            body.insert("invite".to_owned(), json!(true));
        }
        Some("password") => {
            let password = visit.input("password")?.unwrap_or_default();
            body.insert("password".to_owned(), json!(password));
        }
        _ => {}
    }
    match visit.send(Method::POST, "/admin/users", Value::Object(body)).await {
        Ok(reply) => {
            let id = reply.body.get("id").and_then(Value::as_str).unwrap_or_default();
            let made = format!("{}{}", user_page(&visit, id), visit.suffix());
            Ok(visit.leave(&made, Reply::none()))
        }
        Err(error) if error.kind() == ErrorKind::StepUpRequired || Visit::is_signed_out(&error) => {
            Err(refused(&visit, error, &back))
        }
        Err(error) => page(&visit, Some(&error)),
    }
}

fn page(visit: &Visit, error: Option<&AuthError>) -> Answer {
    let core = &visit.site.core;
    let page = admin_page(visit, "admin-new", INPUTS)
        .value("typed", typed(visit, TYPED)?)
        .value("has_invitations", core.has_route("/password/forgot"))
        .value("has_passwords", core.passwords().is_ok())
        .template_value("requirements", &visit.site.offers.first_password);
    Ok(visit.page(page.error(error)))
}
