//! The page of the account, and its forms.

use axum::{extract::Path, response::Response};
use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::account;
use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{
        gateway::Reply,
        response::{Page, with_cookies},
        visit::Visit,
    },
    http::{Context, cookie},
    services::Enrollments,
};

type Answer = Result<Response, Response>;

const INPUTS: &[&str] = &[
    "current_password",
    "new_password",
    "new_email",
    "code",
    "name",
    "scopes",
    "display_name",
    "username",
    "locale",
    "enabled",
];

/// The request that a form becomes.
struct Call {
    method: Method,
    path: String,
    body: Option<Map<String, Value>>,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None }
    }

    fn with(method: Method, path: impl Into<String>, body: Map<String, Value>) -> Self {
        Self { method, path: path.into(), body: Some(body) }
    }
}

pub(in crate::flow::pages) async fn show(visit: Visit) -> Answer {
    let return_to = visit.return_to()?;
    render(&visit, "", None, return_to.as_deref()).await
}

/// Handles the form of a section.
pub(in crate::flow::pages) async fn change(Path(form): Path<String>, visit: Visit) -> Answer {
    if !visit.is_post() {
        return Ok(visit.to_page("security"));
    }
    // As on other routes, the user is authenticated before the form is read.
    let session = Context::require_now(&visit.context).await;
    if let Err(error) = session {
        return Err(signed_out(&visit, &error));
    }
    let Some(call) = call(&visit, &form)? else {
        return Err(visit.error(&ErrorKind::NotFound.into()));
    };
    let sent = match call.body {
        Some(body) => visit.send(call.method, &call.path, Value::Object(body)).await,
        None => visit.call_empty(call.method, &call.path).await,
    };
    match sent {
        Ok(reply) => Ok(done(&visit, &form, reply).await),
        Err(error) if error.kind() == ErrorKind::StepUpRequired => {
            Ok(visit.to_page_and_back("step-up", &visit.site.pages.path("security")))
        }
        Err(error) if Visit::is_signed_out(&error) => Ok(signed_out(&visit, &error)),
        Err(error) => render(&visit, &form, Some(&error), None).await,
    }
}

/// Returns the request for a form, or `None` if there is no such form.
fn call(visit: &Visit, form: &str) -> Result<Option<Call>, Response> {
    let id = visit.input("id")?.map(encoded);
    let delete = |path: &str, id: &str| Call::new(Method::DELETE, format!("{path}/{id}"));
    Ok(Some(match (form, id) {
        ("password", _) => match visit.input("current_password")? {
            Some(_) => {
                let body = visit.members(&["current_password", "new_password"])?;
                Call::with(Method::POST, "/password/change", body)
            }
            None => Call::with(Method::POST, "/password/set", visit.members(&["new_password"])?),
        },
        ("email", _) => Call::with(Method::POST, "/email/change", visit.members(&["new_email"])?),
        ("sessions", Some(id)) => delete("/sessions", &id),
        ("sessions", None) if visit.input("scope")? == Some("others") => {
            Call::new(Method::DELETE, "/sessions?scope=others")
        }
        // A form without its input names nothing: 404.
        ("sessions" | "devices", None) => delete(&format!("/{form}"), ""),
        ("passkeys", id) => delete("/passkeys", &id.unwrap_or_default()),
        ("totp", Some(id)) => delete("/totp", &id),
        ("totp", None) => return totp(visit).map(Some),
        ("recovery-codes", _) => Call::new(Method::POST, "/recovery-codes"),
        ("identities", Some(id)) => delete("/identities", &id),
        ("identities", None) => {
            let provider = encoded(visit.input("provider")?.unwrap_or_default());
            let target = json!(visit.site.pages.path("security"));
            let body = Map::from_iter([("redirect_to".to_owned(), target)]);
            Call::with(Method::POST, format!("/oauth/{provider}/link"), body)
        }
        ("api-keys", Some(id)) => delete("/api-keys", &id),
        ("api-keys", None) => {
            let mut body = visit.members(&["name"])?;
            body.insert("scopes".to_owned(), visit.form()?.all("scopes").collect());
            Call::with(Method::POST, "/api-keys", body)
        }
        ("devices", Some(id)) => delete("/devices", &id),
        ("two-step", _) => {
            let enabled = visit.input("enabled")?.and_then(|own| own.parse::<bool>().ok());
            let body = enabled.map(|own| ("enabled".to_owned(), json!(own)));
            let body = body.into_iter().collect();
            Call::with(Method::PUT, "/account/two-step", body)
        }
        ("profile", _) => Call::with(Method::PATCH, "/account", profile(visit)?),
        ("recovery", _) => Call::new(Method::POST, "/account/recovery"),
        ("delete", _) => Call::new(Method::DELETE, "/account"),
        _ => return Ok(None),
    }))
}

/// Begins the enrollment of an authenticator app, or finishes it with a code.
fn totp(visit: &Visit) -> Result<Call, Response> {
    if visit.input("code")?.is_none() {
        return Ok(Call::new(Method::POST, "/totp/register/start"));
    }
    let mut body = visit.members(&["challenge", "code", "name"])?;
    if !body.contains_key("challenge") {
        let pending = cookie::pending(&visit.site.core, &visit.parts.headers);
        body.insert("challenge".to_owned(), json!(pending.unwrap_or_default()));
    }
    Ok(Call::with(Method::POST, "/totp/register/finish", body))
}

/// Returns the inputs of the profile; an empty one removes the value.
fn profile(visit: &Visit) -> Result<Map<String, Value>, Response> {
    let mut body = Map::new();
    for name in ["display_name", "username", "locale"] {
        if let Some(value) = visit.input(name)? {
            let value = Some(value).filter(|own| !own.is_empty());
            body.insert(name.to_owned(), json!(value));
        }
    }
    Ok(body)
}

/// Answers a form whose route succeeded. What is shown once is the page.
async fn done(visit: &Visit, form: &str, reply: Reply) -> Response {
    let text = |name: &str| reply.body.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    if reply.status == StatusCode::ACCEPTED {
        return visit.conclude(reply, Some(&visit.site.pages.path("security"))).await;
    }
    if let Some(url) = text("authorization_url") {
        return visit.leave(&url, reply);
    }
    let core = &visit.site.core;
    let codes = reply.body.get("recovery_codes").or(reply.body.get("codes")).cloned();
    let challenge = text("challenge");
    let page = match (form, codes) {
        ("totp" | "recovery-codes", Some(codes)) => {
            Some(Page::new("recovery-codes", &[]).value("codes", codes))
        }
        ("totp", None) if challenge.is_some() => {
            let page = Page::new("totp", &["code", "name"]).value("enrollment", reply.body.clone());
            Some(page.value("typed", json!({ "name": null, "code": null })))
        }
        ("api-keys", _) if text("key").is_some() => {
            Some(Page::new("api-key", &[]).value("key", reply.body.clone()))
        }
        _ => None,
    };
    let response = page.map_or_else(|| visit.to_page("security"), |page| visit.page(page));
    let mut response = with_cookies(response, reply);
    if form == "totp" && visit.input("id").ok().flatten().is_none() {
        let line = match challenge {
            Some(challenge) => Some(cookie::set_pending(core, &challenge)),
            None => is_of_cookie(visit).then(|| cookie::clear_pending(core)),
        };
        if let Some(line) = line {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

/// Returns whether the challenge of the form is that in the cookie, and not one that another tab has
/// replaced since.
fn is_of_cookie(visit: &Visit) -> bool {
    let posted = visit.input("challenge").ok().flatten();
    posted.is_none() || posted == cookie::pending(&visit.site.core, &visit.parts.headers)
}

/// Renders the page, with an error in the section of a form.
async fn render(
    visit: &Visit,
    form: &str,
    error: Option<&AuthError>,
    return_to: Option<&str>,
) -> Answer {
    let account = match account::load(visit).await {
        Ok(account) => account,
        Err(error) if Visit::is_signed_out(&error) => return Err(signed_out(visit, &error)),
        Err(error) => return Err(visit.error(&error)),
    };
    let mut typed = Map::new();
    for name in ["new_email", "name", "code", "display_name", "username", "locale"] {
        let value = if visit.is_post() { visit.input(name)? } else { None };
        typed.insert(name.to_owned(), json!(value));
    }
    let scopes: Vec<_> = match visit.is_post() {
        true => visit.form()?.all("scopes").collect(),
        false => Vec::new(),
    };
    typed.insert("scopes".to_owned(), json!(scopes));
    let enrollment = match form {
        "totp" => started_enrollment(visit).await?,
        _ => Value::Null,
    };
    visit.site.core.find_authorization_endpoints().await;
    let origins = visit.site.core.provider_views().into_iter().filter_map(|own| own.origin);
    let page = Page::new("security", INPUTS)
        .values(account)
        .value("typed", typed)
        .value("form", form)
        .value("enrollment", enrollment)
        .template_value("requirements", &visit.site.offers.new_password);
    Ok(visit.page(page.return_to(return_to).error(error).form_origins(origins)))
}

/// Returns the enrollment of an authenticator app whose code was refused, or null.
async fn started_enrollment(visit: &Visit) -> Result<Value, Response> {
    let core = &visit.site.core;
    let challenge = match visit.input("code")? {
        Some(_) => visit.input("challenge")?.or(cookie::pending(core, &visit.parts.headers)),
        None => None,
    };
    let user = visit.user().await.map_err(|error| visit.error(&error))?;
    let (Some(enrollments), Some(user), Some(challenge)) =
        (core.offered::<Enrollments>(), user, challenge)
    else {
        return Ok(Value::Null);
    };
    enrollments.0.started(&user, challenge).await.map_err(|error| visit.error(&error))
}

/// Redirects to the sign-in page. A form is not repeated, so it has no return path.
fn signed_out(visit: &Visit, error: &AuthError) -> Response {
    if !Visit::is_signed_out(error) {
        return visit.error(error);
    }
    if visit.is_post() {
        return visit.to_page("sign-in");
    }
    visit.to_page_and_back("sign-in", &visit.own_path("security"))
}

/// Escapes an id for a path.
fn encoded(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect()
}
