//! The pages for sign-in, sign-up, sign-in by email, and sign-out.

use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    error::AuthError,
    flow::pages::{response::Page, visit::Visit},
    services::ProviderView,
};

type Answer = Result<Response, Response>;

const SIGN_IN: &[&str] = &["email", "password"];
const SIGN_UP: &[&str] = &["email", "password", "display_name"];
const EMAIL: &[&str] = &["email"];

pub(in crate::flow::pages) async fn show_sign_in(visit: Visit) -> Answer {
    let return_to = visit.return_to()?;
    Ok(visit.page(sign_in_page(&visit, return_to.as_deref(), None)?))
}

pub(in crate::flow::pages) async fn sign_in(visit: Visit) -> Answer {
    let return_to = visit.posted_return_to()?;
    let body = members(&visit, SIGN_IN)?;
    match visit.send(Method::POST, "/sign-in", body).await {
        Ok(reply) => Ok(visit.conclude(reply, return_to.as_deref()).await),
        Err(error) => Ok(visit.page(sign_in_page(&visit, return_to.as_deref(), Some(&error))?)),
    }
}

pub(in crate::flow::pages) async fn show_sign_up(visit: Visit) -> Answer {
    let return_to = visit.return_to()?;
    Ok(visit.page(sign_up_page(&visit, return_to.as_deref(), None)?))
}

pub(in crate::flow::pages) async fn sign_up(visit: Visit) -> Answer {
    let return_to = visit.posted_return_to()?;
    let body = members(&visit, SIGN_UP)?;
    match visit.send(Method::POST, "/sign-up", body).await {
        Ok(reply) => Ok(visit.conclude(reply, return_to.as_deref()).await),
        Err(error) => Ok(visit.page(sign_up_page(&visit, return_to.as_deref(), Some(&error))?)),
    }
}

pub(in crate::flow::pages) async fn show_email(visit: Visit) -> Answer {
    let return_to = visit.return_to()?;
    Ok(visit.page(email_page(&visit, return_to.as_deref(), None)?))
}

pub(in crate::flow::pages) async fn email(visit: Visit) -> Answer {
    let return_to = visit.posted_return_to()?;
    let mut body = members(&visit, EMAIL)?;
    if let (Some(body), Some(target)) = (body.as_object_mut(), &return_to) {
        // The link of the message leads there too.
        body.insert("redirect_to".to_owned(), json!(target));
    }
    match visit.send(Method::POST, "/email-sign-in", body).await {
        Ok(reply) => Ok(visit.conclude(reply, return_to.as_deref()).await),
        Err(error) => Ok(visit.page(email_page(&visit, return_to.as_deref(), Some(&error))?)),
    }
}

pub(in crate::flow::pages) async fn show_sign_out(visit: Visit) -> Answer {
    Ok(visit.page(Page::new("sign-out", &[])))
}

pub(in crate::flow::pages) async fn sign_out(visit: Visit) -> Answer {
    visit.form()?;
    match visit.call_empty(Method::POST, "/sign-out").await {
        Ok(reply) => Ok(visit.leave("/", reply)),
        Err(error) => Ok(visit.error(&error)),
    }
}

fn sign_in_page<'a>(
    visit: &Visit,
    return_to: Option<&'a str>,
    error: Option<&'a AuthError>,
) -> Result<Page<'a>, Response> {
    let page = with_ways(visit, Page::new("sign-in", SIGN_IN), return_to);
    Ok(with_typed(visit, page, SIGN_IN)?.return_to(return_to).error(error))
}

fn sign_up_page<'a>(
    visit: &Visit,
    return_to: Option<&'a str>,
    error: Option<&'a AuthError>,
) -> Result<Page<'a>, Response> {
    let page = with_ways(visit, Page::new("sign-up", SIGN_UP), return_to);
    Ok(with_typed(visit, page, SIGN_UP)?.return_to(return_to).error(error))
}

fn email_page<'a>(
    visit: &Visit,
    return_to: Option<&'a str>,
    error: Option<&'a AuthError>,
) -> Result<Page<'a>, Response> {
    let page = with_ways(visit, Page::new("email", EMAIL), return_to);
    Ok(with_typed(visit, page, EMAIL)?.return_to(return_to).error(error))
}

/// Adds the sign-in methods of the application, to which a page links.
fn with_ways<'a>(visit: &Visit, page: Page<'a>, return_to: Option<&str>) -> Page<'a> {
    let core = &visit.site.core;
    let passwords = core.passwords().ok();
    let ways = json!({
        "password": core.has_route("/sign-in"),
        "sign_up": passwords.is_some_and(|own| own.allows_sign_up()),
        "forgot": core.has_route("/password/forgot"),
        "email": core.has_route("/email-sign-in"),
        "passkey": core.has_route("/passkeys/sign-in/start"),
    });
    let (links, origins) = provider_links(visit, return_to);
    page.value("ways", ways).value("providers", links).form_origins(origins)
}

/// Returns the providers that users can sign in with, and their origins.
pub(super) fn provider_links(visit: &Visit, return_to: Option<&str>) -> (Vec<Value>, Vec<String>) {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("redirect_to", return_to.unwrap_or("/"));
    let (query, routes) = (query.finish(), visit.site.pages.routes());
    let all = visit.site.core.provider_views().into_iter().filter(|own| own.signs_in);
    let links = all.map(|ProviderView { id, name, origin, .. }| {
        let href = format!("{routes}/oauth/{id}/start?{query}");
        (json!({ "id": id, "name": name, "href": href }), origin)
    });
    links.unzip()
}

/// Adds what was typed, except passwords.
fn with_typed<'a>(
    visit: &Visit,
    page: Page<'a>,
    inputs: &[&'static str],
) -> Result<Page<'a>, Response> {
    let mut typed = Map::new();
    for name in inputs.iter().filter(|name| !name.contains("password")) {
        let value = if visit.is_post() { visit.input(name)? } else { None };
        typed.insert((*name).to_owned(), json!(value.unwrap_or_default()));
    }
    let is_shared = visit.is_post() && visit.input("persistent")? == Some("false");
    typed.insert("persistent".to_owned(), json!(is_shared));
    Ok(page.value("typed", typed))
}

/// Returns the members of a sign-in for the inputs that were sent.
fn members(visit: &Visit, inputs: &[&'static str]) -> Result<Value, Response> {
    let mut members = Map::new();
    members.insert("transport".to_owned(), json!("cookie"));
    for name in inputs {
        // A name that is left empty is no name.
        let value = visit.input(name)?.filter(|own| *name != "display_name" || !own.is_empty());
        if let Some(value) = value {
            members.insert((*name).to_owned(), json!(value));
        }
    }
    if visit.input("persistent")? == Some("false") {
        members.insert("persistent".to_owned(), json!(false));
    }
    Ok(Value::Object(members))
}
