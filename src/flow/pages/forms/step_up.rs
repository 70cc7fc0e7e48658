//! The page that verifies a user again.

use axum::response::Response;
use http::Method;
use serde_json::{Value, json};

use super::sign_in::provider_links;
use crate::{
    error::AuthError,
    flow::pages::{response::Page, visit::Visit},
    model::{Email, Factor},
    services::FactorInput,
    session::AuthUser,
};

type Answer = Result<Response, Response>;

const INPUTS: &[&str] = &["password", "code"];

pub(in crate::flow::pages) async fn show(visit: Visit) -> Answer {
    let return_to = visit.return_to()?;
    let user = match visit.user().await {
        Ok(Some(user)) => user,
        Ok(None) => return Ok(visit.to_page_and_back("sign-in", &visit.own_path("step-up"))),
        Err(error) => return Err(visit.error(&error)),
    };
    Ok(visit.page(page(&visit, &user, return_to.as_deref(), None).await?))
}

pub(in crate::flow::pages) async fn step_up(visit: Visit) -> Answer {
    let user = match visit.user().await {
        Ok(Some(user)) => user,
        Ok(None) => return Ok(visit.to_page("sign-in")),
        Err(error) => return Err(visit.error(&error)),
    };
    let return_to = match visit.posted_return_to() {
        Ok(target) => target,
        Err(error) => return Ok(visit.page(page(&visit, &user, None, Some(&error)).await?)),
    };
    let target = return_to.as_deref().unwrap_or("/");
    let (path, body) = route(&visit, target)?;
    match visit.send(Method::POST, &path, body).await {
        Ok(reply) => match reply.body.get("authorization_url").and_then(Value::as_str) {
            Some(url) => {
                let url = url.to_owned();
                Ok(visit.leave(&url, reply))
            }
            None => Ok(visit.conclude(reply, Some(target)).await),
        },
        Err(error) if Visit::is_signed_out(&error) => Ok(visit.to_page("sign-in")),
        Err(error) => {
            Ok(visit.page(page(&visit, &user, return_to.as_deref(), Some(&error)).await?))
        }
    }
}

/// Returns the route that verifies what was posted, with its body. Without an input, a code is sent
/// by email.
fn route(visit: &Visit, target: &str) -> Result<(String, Value), Response> {
    if let Some(password) = visit.input("password")? {
        return Ok(("/password/verify".to_owned(), json!({ "password": password })));
    }
    let is_provider = |id: &&str| visit.site.core.providers.find(id).is_some();
    if let Some(provider) = visit.input("provider")?.filter(is_provider) {
        return Ok((format!("/oauth/{provider}/step-up"), json!({ "redirect_to": target })));
    }
    let Some(code) = visit.input("code")? else {
        return Ok(("/email/verify".to_owned(), json!({})));
    };
    let factor = visit.input("method")?.map(Factor::from_name);
    Ok(match factor {
        Some(Factor::Custom(name)) => (format!("/factors/{name}/verify"), json!({ "code": code })),
        _ => ("/totp/verify".to_owned(), json!({ "code": code })),
    })
}

async fn page<'a>(
    visit: &Visit,
    user: &AuthUser,
    return_to: Option<&'a str>,
    error: Option<&'a AuthError>,
) -> Result<Page<'a>, Response> {
    let core = &visit.site.core;
    let available = core.available_factors(user.user(), user.session()).await;
    let available = available.map_err(|error| visit.error(&error))?;
    let available = core.with_recovery(available, user.user(), user.session()).await;
    let available = available.map_err(|error| visit.error(&error))?;
    let has = |factor: Factor| available.contains(factor);
    let mut factors = core.factors().iter();
    let code = factors.find(|own| own.input() == FactorInput::Code && has(own.factor()));
    let code = code.map(|own| own.factor().as_str());
    if has(Factor::Provider) {
        core.find_authorization_endpoints().await;
    }
    let timed = core.provider_views().into_iter();
    let timed =
        timed.filter(|own| has(Factor::Provider) && core.providers.prove_time_at_sign_in(&own.id));
    let (providers, origins): (Vec<_>, Vec<_>) =
        timed.map(|own| (json!({ "id": own.id, "name": own.name }), own.origin)).unzip();
    // A code by email counts only for a user who has nothing stronger, or whose stronger factor an
    // account recovery waives, and a new sign-in by a
    // provider only for a user who has nothing at all.
    let strongest = available.strongest();
    let (links, again) = match strongest {
        Some(_) => (Vec::new(), Vec::new()),
        None => provider_links(visit, return_to),
    };
    let address = user.user().email.as_ref().map(Email::as_str);
    let typed = if visit.is_post() { visit.input("code")? } else { None };
    let page = Page::new("step-up", INPUTS)
        .value("has_passkey", has(Factor::Passkey) || has(Factor::SecurityKey))
        .value("has_password", has(Factor::Password))
        .value("code", json!(code))
        .value("typed_code", json!(typed))
        .value("by_email", available.all_strongest().contains(&Factor::EmailCode))
        .value("providers", providers)
        .value("address", json!(address))
        .value("target", return_to.unwrap_or("/"))
        .value("links", links)
        .value("has_nothing", strongest.is_none());
    let page = page.form_origins(origins.into_iter().flatten()).form_origins(again);
    Ok(page.return_to(return_to).error(error))
}
