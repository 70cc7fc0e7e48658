//! `POST /device/register` and `POST /device/refresh`.
//!
//! A browser ends a bound session at a client error other than 403, so both routes reject with 403
//! alone. They read no body and refresh nothing by themselves.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::service::{DeviceBoundService, DeviceRefresh};
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{client::ClientOf, cookie, csrf},
    model::SessionId,
    registry::Registry,
};

const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");
const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// The proof authenticates a request. One that has none is checked here.
pub(super) fn register(registry: &mut Registry, service: &DeviceBoundService) {
    registry.own_routes_from_elsewhere(
        service,
        [("/device/register", REGISTER.to(bind)), ("/device/refresh", REFRESH.to(refresh))],
    );
}

const SCOPE: Schema = Schema::Object(&[
    Member::text("origin", "https://example.com"),
    Member::new("include_site", Schema::Boolean(false)),
]);
const CREDENTIAL: Schema = Schema::Object(&[
    Member::new("type", Schema::one_of(&["cookie"])),
    Member::text("name", "__Host-auth"),
    Member::text("attributes", "HttpOnly; SameSite=Lax; Secure; Path=/"),
]);
const REGISTER: Operation =
    Operation::post("registerDevice", "Binds a session to a key of the browser")
        .any_token()
        .returns(&[Success::json(
            200,
            "The session instructions for the browser.",
            Schema::Named(
                "SessionInstructions",
                &[
                    Member::text("session_identifier", "0198c2f06c5b70008000000000000000"),
                    Member::text("refresh_url", "/auth/device/refresh"),
                    Member::new("scope", SCOPE),
                    Member::new("credentials", Schema::List(&CREDENTIAL)),
                ],
            ),
        )])
        .fails(&[ErrorKind::InvalidDeviceProof, ErrorKind::CrossOrigin, ErrorKind::Unavailable]);

async fn bind(
    State(service): State<DeviceBoundService>,
    headers: HeaderMap,
) -> Result<Response, AuthError> {
    let is_by_browser = headers.contains_key(&SESSION_ID) || headers.contains_key(&RESPONSE);
    require_same_site(&service, &headers, is_by_browser)?;
    let proof = item(&headers, &RESPONSE).transpose()?;
    let tokens = cookie::tokens(&service.core, &headers);
    let session = service.register(tokens, proof.as_deref()).await?;
    Ok(Json(instructions(&service, &headers, session)).into_response())
}

fn instructions(service: &DeviceBoundService, headers: &HeaderMap, session: SessionId) -> Value {
    let core = &service.core;
    let sent = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = core.origins.iter().find(|own| Some(*own) == sent);
    let (name, attributes) = cookie::access_attributes(core);
    json!({
        "session_identifier": session,
        "refresh_url": format!("{}/device/refresh", core.mount),
        "scope": { "origin": origin.unwrap_or(core.origins.first()), "include_site": false },
        "credentials": [{ "type": "cookie", "name": name, "attributes": attributes }],
    })
}

const REFRESH: Operation =
    Operation::post("refreshDevice", "Refreshes a bound session with a proof of its key")
        .any_token()
        .returns(&[Success::json(
            200,
            "New cookies and no body; or the session has ended.",
            Schema::Object(&[Member::new("continue", Schema::Boolean(false)).optional()]),
        )
        .with_cookies()
        .with_header("Secure-Session-Challenge")])
        .fails(&[
            ErrorKind::DeviceProofMissing,
            ErrorKind::InvalidDeviceProof,
            ErrorKind::CrossOrigin,
            ErrorKind::Unavailable,
        ]);

async fn refresh(
    State(service): State<DeviceBoundService>,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
) -> Result<Response, AuthError> {
    require_same_site(&service, &headers, headers.contains_key(&SESSION_ID))?;
    let id = item(&headers, &SESSION_ID).ok_or(ErrorKind::InvalidDeviceProof)??;
    let Ok(id) = id.parse::<SessionId>() else { return Ok(ended()) };
    let (_, token) = cookie::tokens(&service.core, &headers);
    let proof = item(&headers, &RESPONSE);
    let proof = proof.as_ref().map(|own| own.as_deref().map_err(Clone::clone));
    Ok(match service.refresh(id, token, proof, &client).await? {
        DeviceRefresh::Ended => ended(),
        DeviceRefresh::Refreshed(issued, next) => {
            let mut response = StatusCode::OK.into_response();
            for line in cookie::set_both(&service.core, &issued) {
                response.headers_mut().append(header::SET_COOKIE, line);
            }
            challenged(response, id, Some(&next))
        }
        DeviceRefresh::Rejected(kind, next) => {
            challenged(AuthError::from(kind).into_response(), id, next.as_deref())
        }
        DeviceRefresh::Mismatch(_, next) => {
            let error = AuthError::from(ErrorKind::InvalidDeviceProof);
            challenged(error.into_response(), id, Some(&next))
        }
    })
}

/// Returns the response with which a browser ends its bound session.
fn ended() -> Response {
    Json(json!({ "continue": false })).into_response()
}

fn challenged(mut response: Response, id: SessionId, challenge: Option<&str>) -> Response {
    let line = challenge.map(|challenge| format!("\"{challenge}\";id=\"{id}\""));
    if let Some(line) = line.and_then(|line| HeaderValue::from_str(&line).ok()) {
        response.headers_mut().insert(CHALLENGE, line);
    }
    response
}

/// Rejects a request from another site that no browser sent for a bound session.
fn require_same_site(
    service: &DeviceBoundService,
    headers: &HeaderMap,
    is_by_browser: bool,
) -> Result<(), AuthError> {
    if is_by_browser {
        return Ok(());
    }
    let checked = csrf::verify(&Method::POST, headers, &service.core.origins);
    checked.map_err(|refusal| refusal.record(&service.core))
}

/// Returns the value of a header, which is sent bare or as a string of structured fields (RFC 9651
/// §4.2.5). Parameters are ignored, and a header that is sent twice is an error.
fn item(headers: &HeaderMap, name: &HeaderName) -> Option<Result<String, AuthError>> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    let text = match lines.next() {
        None => line.to_str().ok().and_then(|line| text_of(line.trim())),
        Some(_) => None,
    };
    Some(text.ok_or_else(|| ErrorKind::InvalidDeviceProof.into()))
}

fn text_of(line: &str) -> Option<String> {
    let Some(quoted) = line.strip_prefix('"') else {
        let bare = line.split(';').next().unwrap_or_default().trim_end();
        return (!bare.is_empty() && !bare.contains([' ', ',', '"'])).then(|| bare.to_owned());
    };
    let (mut text, mut rest) = (String::new(), quoted.chars());
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => text.push(rest.next().filter(|own| matches!(own, '"' | '\\'))?),
            own => text.push(own),
        }
    }
    let rest = rest.as_str().trim_start();
    (!text.is_empty() && (rest.is_empty() || rest.starts_with(';'))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn header_is_read_bare_or_as_a_string() {
        for (line, text) in [
            ("a.b.c", Some("a.b.c")),
            ("a.b.c;id=\"x\"", Some("a.b.c")),
            ("\"a.b.c\"", Some("a.b.c")),
            ("\"a.b.c\"; id=\"x\"", Some("a.b.c")),
            (r#""a\"b\\""#, Some(r#"a"b\"#)),
            (r#""a\b""#, None),
            ("\"a", None),
            ("\"a\", \"b\"", None),
            ("a, b", None),
            ("\"\"", None),
            ("", None),
        ] {
            assert_eq!(text_of(line).as_deref(), text, "{line}");
        }
    }
}
