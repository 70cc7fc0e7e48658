//! Redeeming codes, and asking for claims.

use openidconnect::AccessToken;
use serde_json::{Map, Value};

use super::{Oidc, metadata::Metadata};
use crate::{
    error::AuthError,
    identity::Request,
    outbound::{Wire, basic, form, trouble},
};

/// What a code was redeemed for.
pub(super) struct Tokens {
    pub(super) access: AccessToken,
    pub(super) id: String,
}

pub(super) async fn redeem(
    wire: &Wire,
    options: &Oidc,
    metadata: &Metadata,
    code: &str,
    request: &Request,
) -> Result<Tokens, AuthError> {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &request.redirect_uri),
        ("code_verifier", &request.verifier),
    ];
    let header = match &options.secret {
        Some(secret) if !options.secret_in_body => Some(basic(&options.client_id, secret)),
        Some(secret) => {
            pairs.push(("client_secret", secret));
            None
        }
        None => None,
    };
    if header.is_none() {
        pairs.push(("client_id", &options.client_id));
    }
    let (good, body) = wire.post(&metadata.token_endpoint, form(&pairs), header).await?;
    let text = |name| body.get(name).and_then(Value::as_str);
    if !good || body.get("error").is_some() {
        let known = text("error").filter(|code| code.bytes().all(|b| b.is_ascii_graphic()));
        return Err(trouble(format!("the provider refused: {}", known.unwrap_or("?"))));
    }
    let bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    match (text("access_token"), text("id_token")) {
        (Some(access), Some(id)) if bearer => {
            Ok(Tokens { access: AccessToken::new(access.to_owned()), id: id.to_owned() })
        }
        _ => Err(trouble("the provider answered without an ID token or a bearer token")),
    }
}

/// Claims of the subject that the ID token names, and of nobody else (OpenID Connect Core §5.3.2).
pub(super) async fn user_info(
    wire: &Wire,
    url: &str,
    tokens: &Tokens,
    subject: &str,
) -> Result<Map<String, Value>, AuthError> {
    match wire.get(url, Some(tokens.access.secret())).await? {
        Value::Object(claims) if claims.get("sub").and_then(Value::as_str) == Some(subject) => {
            Ok(claims)
        }
        _ => Err(trouble("UserInfo is of another subject")),
    }
}
