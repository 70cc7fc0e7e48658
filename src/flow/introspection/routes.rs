//! `POST /introspect`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};

use super::IntrospectionService;
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{client::ClientOf, oauth_error::OAuthError, query::ReadForm},
    registry::Registry,
};

/// A service is no browser: the route reads no cookie, so another site can gain nothing.
pub(super) fn register(registry: &mut Registry, service: &IntrospectionService) {
    registry.own_routes_from_elsewhere(service, [("/introspect", INTROSPECT.to(introspect))]);
}

const INTROSPECT: Operation = Operation::post("introspectToken", "Describes a token to a service")
    .basic()
    .form(&[Member::text("token", "aat_0123456789abcdef")])
    .returns(&[Success::json(
        200,
        "The description; of an inactive token, `active` alone.",
        Schema::Named(
            "TokenInfo",
            &[
                Member::new("active", Schema::Boolean(true)),
                Member::text("sub", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
                Member::text("sid", "0198c2f06c5b70008000000000000000").optional(),
                Member::text("scope", "notes:read notes:write").optional(),
                Member::new("roles", Schema::List(&Schema::text("editor"))).optional(),
                Member::new("exp", Schema::Integer(1_767_226_500)).optional(),
                Member::new("iat", Schema::Integer(1_767_225_600)).optional(),
                Member::new("token_type", Schema::one_of(&["Bearer", "DPoP"])).optional(),
                Member::new("auth_time", Schema::Integer(1_767_225_600)).optional(),
                Member::new(
                    "cnf",
                    Schema::Object(&[Member::text(
                        "jkt",
                        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
                    )]),
                )
                .optional(),
                Member::new("amr", Schema::List(&Schema::text("pwd"))).optional(),
            ],
        ),
    )])
    .oauth_form_errors();

async fn introspect(
    State(service): State<IntrospectionService>,
    ClientOf(client): ClientOf,
    form: Result<ReadForm, AuthError>,
) -> Result<Response, OAuthError> {
    let form = form?;
    let is_client =
        basic(form.headers()).is_some_and(|(id, secret)| service.is_client(&id, &secret));
    if !is_client {
        service.refuse(&client).await?;
        return Err(OAuthError::invalid_basic());
    }
    let form = form.interpret()?;
    if form.has_repeated() {
        return Err(OAuthError::new("invalid_request"));
    }
    let token = form.once("token")?.ok_or(ErrorKind::InvalidRequest).map_err(AuthError::from)?;
    Ok(Json(service.introspect(token).await?).into_response())
}

/// Returns the id and the secret of a service, which are form-encoded (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next()?.to_str().ok()?;
    let (scheme, text) = line.split_once(' ')?;
    if lines.next().is_some() || !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("={text}");
        let mut pairs = form_urlencoded::parse(pair.as_bytes());
        match (pairs.next(), pairs.next()) {
            (Some((_, text)), None) => Some(text.into_owned()),
            _ => None,
        }
    };
    Some((decode(id)?, decode(secret)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn credentials_are_form_decoded() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            let line = format!("basic {}", STANDARD.encode(text));
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&line).unwrap());
            basic(&headers)
        };
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("gateway:secret"), pair("gateway", "secret"));
        assert_eq!(read("a%3Ab:p%25+x"), pair("a:b", "p% x"));
        assert_eq!(read("gateway:a:b"), pair("gateway", "a:b"));
        assert_eq!(read("gateway:"), pair("gateway", ""));
        assert_eq!(read("gateway"), None);
        assert_eq!(read("a&b:c"), None, "not form-encoded");
        assert_eq!(basic(&HeaderMap::new()), None);
    }
}
