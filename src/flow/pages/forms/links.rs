//! The pages of links in messages, and the page that requests a reset link.
//!
//! A page that is opened with a token moves it into a cookie, and redirects to itself without it: a
//! token stays neither in the URL nor in the history, and opening a link consumes nothing. The form
//! names the digest of its token, so a link that is opened in another tab cannot take the place of
//! the one that a form was shown for.

use axum::response::Response;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    flow::pages::{
        gateway::Reply,
        response::{Page, with_cookies},
        visit::Visit,
    },
    http::cookie,
    redirect::form_source,
    services::LinkView,
    store::ChallengeKind,
};

type Answer = Result<Response, Response>;

/// The page of a kind of link.
struct Link {
    page: &'static str,
    inputs: &'static [&'static str],
    is_own: fn(&ChallengeKind) -> bool,
    /// The page for a browser without a link.
    otherwise: &'static str,
}

const RESET: Link = Link {
    page: "reset",
    inputs: &["new_password"],
    is_own: |kind| *kind == ChallengeKind::Reset,
    otherwise: "forgot",
};
const SIGN_IN: Link = Link {
    page: "sign-in-link",
    inputs: &[],
    is_own: |kind| *kind == ChallengeKind::CodeLink,
    otherwise: "sign-in",
};
const UNDO: Link = Link {
    page: "undo-email-change",
    inputs: &[],
    is_own: |kind| *kind == ChallengeKind::EmailUndo,
    otherwise: "sign-in",
};
const CANCEL: Link = Link {
    page: "cancel-recovery",
    inputs: &[],
    is_own: |kind| *kind == ChallengeKind::Recovery,
    otherwise: "sign-in",
};

/// A link that was opened in this browser.
struct Opened {
    token: String,
    /// The digest that the form has.
    digest: String,
    view: Option<LinkView>,
}

pub(in crate::flow::pages) async fn show_forgot(visit: Visit) -> Answer {
    let is_sent = visit.parameter("sent")?.is_some();
    Ok(visit.page(Page::new("forgot", &["email"]).value("is_sent", is_sent).value("email", "")))
}

pub(in crate::flow::pages) async fn forgot(visit: Visit) -> Answer {
    let email = visit.input("email")?;
    let body = email.map_or_else(|| json!({}), |email| json!({ "email": email }));
    match visit.send(Method::POST, "/password/forgot", body).await {
        Ok(_) => {
            let suffix = visit.suffix();
            let page = visit.site.pages.path("forgot");
            let sign = if suffix.is_empty() { "?" } else { "&" };
            let place = format!("{page}{suffix}{sign}sent=1");
            Ok(visit.leave(&place, Reply::none()))
        }
        Err(error) => {
            let page = Page::new("forgot", &["email"]).error(Some(&error));
            Ok(visit.page(page.value("is_sent", false).value("email", email.unwrap_or_default())))
        }
    }
}

pub(in crate::flow::pages) async fn open_reset(visit: Visit) -> Answer {
    open(&visit, &RESET).await
}

pub(in crate::flow::pages) async fn reset(visit: Visit) -> Answer {
    let opened = posted(&visit, &RESET).await?;
    let mut body = json!({ "token": opened.token });
    insert(&mut body, "new_password", visit.input("new_password")?);
    match visit.send(Method::POST, "/password/reset", body).await {
        Ok(reply) => Ok(done(&visit, "sign-in", reply)),
        Err(error) => Ok(refuse(&visit, &RESET, Some(&opened), &error)),
    }
}

pub(in crate::flow::pages) async fn open_sign_in_link(visit: Visit) -> Answer {
    open(&visit, &SIGN_IN).await
}

pub(in crate::flow::pages) async fn sign_in_link(visit: Visit) -> Answer {
    let opened = posted(&visit, &SIGN_IN).await?;
    let is_confirmed = visit.input("confirm")? == Some("true");
    let mut body = json!({ "token": opened.token, "transport": "cookie" });
    if is_confirmed {
        insert_value(&mut body, "confirm", Value::Bool(true));
    }
    match visit.send(Method::POST, "/email-sign-in/link", body).await {
        Ok(reply) => {
            let core = &visit.site.core;
            let mut lines = vec![cookie::clear_link(core)];
            // The code of the message was consumed with its link.
            if reply.status != StatusCode::ACCEPTED && has_used_pending(&visit).await {
                lines.push(cookie::clear_pending(core));
            }
            let mut response = visit.conclude(reply, None).await;
            for line in lines {
                response.headers_mut().append(header::SET_COOKIE, line);
            }
            Ok(response)
        }
        Err(error) => Ok(refuse(&visit, &SIGN_IN, Some(&opened), &error)),
    }
}

/// Returns whether the pending sign-in of the browser is no longer valid.
async fn has_used_pending(visit: &Visit) -> bool {
    let core = &visit.site.core;
    match cookie::pending(core, &visit.parts.headers) {
        Some(handle) => matches!(core.pending_view(handle).await, Ok(None)),
        None => false,
    }
}

pub(in crate::flow::pages) async fn open_undo(visit: Visit) -> Answer {
    open(&visit, &UNDO).await
}

pub(in crate::flow::pages) async fn undo_email_change(visit: Visit) -> Answer {
    let opened = posted(&visit, &UNDO).await?;
    match visit.send(Method::POST, "/email/undo", json!({ "token": opened.token })).await {
        Ok(reply) => {
            let token = reply.body.get("reset_token").and_then(Value::as_str);
            let line = cookie::set_link(&visit.site.core, token.unwrap_or_default());
            let mut response = visit.to_page("reset");
            response.headers_mut().append(header::SET_COOKIE, line);
            Ok(response)
        }
        Err(error) => Ok(refuse(&visit, &UNDO, Some(&opened), &error)),
    }
}

pub(in crate::flow::pages) async fn open_cancel_recovery(visit: Visit) -> Answer {
    open(&visit, &CANCEL).await
}

pub(in crate::flow::pages) async fn cancel_recovery(visit: Visit) -> Answer {
    let opened = posted(&visit, &CANCEL).await?;
    let body = json!({ "token": opened.token });
    match visit.send(Method::POST, "/account/recovery/cancel", body).await {
        Ok(reply) => Ok(done(&visit, "sign-in", reply)),
        Err(error) => Ok(refuse(&visit, &CANCEL, Some(&opened), &error)),
    }
}

/// Moves the token of the URL into the cookie, or shows the page of the link in the cookie.
async fn open(visit: &Visit, link: &Link) -> Answer {
    let mut tokens = visit.parameters("token");
    if let Some(token) = tokens.next() {
        let mut response = visit.to_page(link.page);
        // A token has no other characters, and a link has one token. Anything else is not a link, but
        // does not stay in the URL either.
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let token = Some(token).filter(|token| token.len() <= 512 && token.bytes().all(is_token));
        let token = token.filter(|_| tokens.next().is_none());
        let line = cookie::set_link(&visit.site.core, token.unwrap_or("invalid"));
        response.headers_mut().append(header::SET_COOKIE, line);
        return Ok(response);
    }
    let Some(opened) = opened(visit).await? else { return Ok(visit.to_page(link.otherwise)) };
    let error = opened.wrong_purpose(link);
    Ok(visit.page(page(visit, link, Some(&opened), error.as_ref())))
}

/// Returns the link in the cookie, if the form was shown for it.
async fn posted(visit: &Visit, link: &Link) -> Result<Opened, Response> {
    let shown = visit.input("for")?;
    let Some(opened) = opened(visit).await? else {
        return Err(refuse(visit, link, None, &ErrorKind::InvalidLink.into()));
    };
    if shown != Some(opened.digest.as_str()) {
        let page = page(visit, link, Some(&opened), None);
        let mut response = visit.page(page.value("is_other", true));
        *response.status_mut() = StatusCode::CONFLICT;
        return Err(response);
    }
    match opened.wrong_purpose(link) {
        Some(error) => Err(refuse(visit, link, Some(&opened), &error)),
        None => Ok(opened),
    }
}

async fn opened(visit: &Visit) -> Result<Option<Opened>, Response> {
    let core = &visit.site.core;
    let Some(token) = cookie::link(core, &visit.parts.headers) else { return Ok(None) };
    let view = core.link_view(token).await.map_err(|error| visit.error(&error))?;
    let digest = Digest::hash(Domain::LINK_FORM, token.as_bytes()).to_base64();
    Ok(Some(Opened { token: token.to_owned(), digest, view }))
}

impl Opened {
    /// Returns the error for a link that is for another page.
    fn wrong_purpose(&self, link: &Link) -> Option<AuthError> {
        let kind = &self.view.as_ref()?.kind;
        (!(link.is_own)(kind)).then(|| ErrorKind::InvalidLink.into())
    }
}

fn refuse(visit: &Visit, link: &Link, opened: Option<&Opened>, error: &AuthError) -> Response {
    visit.page(page(visit, link, opened, Some(error)))
}

fn page<'a>(
    visit: &Visit,
    link: &Link,
    opened: Option<&Opened>,
    error: Option<&'a AuthError>,
) -> Page<'a> {
    let view = opened.and_then(|own| own.view.as_ref());
    let is_own = view.is_some_and(|view| (link.is_own)(&view.kind));
    let address = view.filter(|_| is_own).and_then(|view| view.address.clone());
    let target = view.filter(|_| is_own).and_then(|view| view.return_to.as_deref());
    let asked = error.filter(|error| error.kind() == ErrorKind::ConfirmRequired);
    let asked = asked.and_then(|error| error.extensions().iter().find(|own| own.0 == "address"));
    let confirm = asked.map(|(_, address)| address.clone());
    Page::new(link.page, link.inputs)
        .value("link_digest", opened.map(|own| own.digest.clone()).unwrap_or_default())
        .value("address", json!(address))
        .value("confirm", confirm.unwrap_or_default())
        .value("is_other", false)
        .template_value("requirements", &visit.site.offers.new_password)
        .form_origins(target.and_then(form_source))
        .error(error)
}

/// Redirects to a page and clears the link, which is used.
fn done(visit: &Visit, to: &str, reply: Reply) -> Response {
    let mut response = with_cookies(visit.to_page(to), reply);
    let line = cookie::clear_link(&visit.site.core);
    response.headers_mut().append(header::SET_COOKIE, line);
    response
}

fn insert(body: &mut Value, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        insert_value(body, name, json!(value));
    }
}

fn insert_value(body: &mut Value, name: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(name.to_owned(), value);
    }
}
