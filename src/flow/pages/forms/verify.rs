//! The page that asks for the code of a pending challenge.

use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{response::Page, visit::Visit},
    http::cookie,
    model::Factor,
    services::{FactorInput, PendingView},
    store::ChallengeKind,
};

type Answer = Result<Response, Response>;

const INPUTS: &[&str] = &["code"];

pub(in crate::flow::pages) async fn show(visit: Visit) -> Answer {
    match pending(&visit).await? {
        Some(view) => Ok(visit.page(page(&visit, Some(&view), None)?)),
        None => Ok(visit.to_page("sign-in")),
    }
}

pub(in crate::flow::pages) async fn verify(visit: Visit) -> Answer {
    let view = pending(&visit).await?;
    let mut body = Map::new();
    for name in ["code", "method"] {
        if let Some(value) = visit.input(name)? {
            body.insert(name.to_owned(), json!(value));
        }
    }
    if visit.input("remember")? == Some("true") {
        body.insert("remember".to_owned(), json!(true));
    }
    let return_to = view.as_ref().and_then(|view| view.return_to.as_deref());
    match visit.send(Method::POST, "/verify", Value::Object(body)).await {
        Ok(reply) => Ok(visit.conclude(reply, return_to).await),
        Err(error) => Ok(visit.page(page(&visit, view.as_ref(), Some(&error))?)),
    }
}

pub(in crate::flow::pages) async fn resend(visit: Visit) -> Answer {
    let view = pending(&visit).await?;
    let mut body = Map::new();
    if let Some(method) = visit.input("method")? {
        body.insert("method".to_owned(), json!(method));
    }
    match visit.send(Method::POST, "/verify/resend", Value::Object(body)).await {
        Ok(_) => Ok(visit.to_page("verify")),
        Err(error) => Ok(visit.page(page(&visit, view.as_ref(), Some(&error))?)),
    }
}

/// Returns the pending challenge of the browser.
async fn pending(visit: &Visit) -> Result<Option<PendingView>, Response> {
    let core = &visit.site.core;
    let Some(handle) = cookie::pending(core, &visit.parts.headers) else { return Ok(None) };
    core.pending_view(handle).await.map_err(|error| visit.error(&error))
}

fn page<'a>(
    visit: &Visit,
    view: Option<&'a PendingView>,
    error: Option<&'a AuthError>,
) -> Result<Page<'a>, Response> {
    let names = view.map(|view| view.methods.as_slice()).unwrap_or_default();
    let has_script = names.iter().any(|name| name == "passkey" || name == "security_key");
    let sent_to = view.and_then(|view| view.sent_to.as_deref());
    let methods = text_methods(visit, names);
    // Codes of other flows are sent, too.
    let sends = methods.is_empty() || methods.contains(&"email_code");
    let typed = |name: &str| if visit.is_post() { visit.input(name) } else { Ok(None) };
    let (chosen, remember) = (typed("method")?, typed("remember")?);
    let chosen = chosen.filter(|own| methods.contains(own)).or(methods.first().copied());
    // A recovery code is a secret that stays valid.
    let typed_code = typed("code")?.filter(|_| chosen != Some(Factor::RecoveryCode.as_str()));
    let is_sign_in = view.is_some_and(|view| view.kind == ChallengeKind::SignIn);
    let is_expired = error.is_some_and(|error| error.kind() == ErrorKind::ChallengeExpired);
    let page = Page::new("verify", INPUTS)
        .value("methods", json!(methods))
        .value("chosen", json!(chosen))
        .value("typed_code", json!(typed_code))
        .value("has_code", names.is_empty() || !methods.is_empty())
        .value("has_passkey", has_script)
        .value("sends", sends && view.is_some() && !is_expired)
        .value("sent_to", json!(sent_to.filter(|_| sends)))
        .value("remembers", is_sign_in)
        .value("is_remembered", remember == Some("true"))
        .value("is_new", view.is_some_and(|view| view.kind == ChallengeKind::SignUp))
        .value("is_expired", is_expired)
        .value("target", view.and_then(|view| view.return_to.as_deref()).unwrap_or("/"));
    Ok(page.return_to(view.and_then(|view| view.return_to.as_deref())).error(error))
}

/// Returns the methods that a text answers, strongest first.
fn text_methods<'a>(visit: &Visit, names: &'a [String]) -> Vec<&'a str> {
    let core = &visit.site.core;
    let is_text = |name: &&str| {
        let is_email = *name == Factor::EmailCode.as_str();
        let factor = core.factors().iter().find(|own| own.factor().as_str() == *name);
        is_email || factor.is_some_and(|own| own.input() == FactorInput::Code)
    };
    names.iter().map(String::as_str).filter(is_text).collect()
}
