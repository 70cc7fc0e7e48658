//! `POST /introspect`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};

use super::IntrospectionService;
use crate::{
    error::{AuthError, ErrorKind},
    http::{client::ClientOf, oauth_error::OAuthError, query::ReadForm},
    registry::Registry,
};

/// A service is no browser: the route reads no cookie, so another site can gain nothing.
pub(super) fn register(registry: &mut Registry, service: &IntrospectionService) {
    registry.own_routes_from_elsewhere(service, [("/introspect", post(introspect))]);
}

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
