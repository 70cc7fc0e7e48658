//! Exchange of codes, and requests to UserInfo.

use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    Oidc,
    claims::{Claims, present, text},
    metadata::Metadata,
};
use crate::{
    error::AuthError,
    outbound::{Answer, Wire, basic, form, trouble},
    provider::{ProviderRequest, ProviderTokens},
};

/// The tokens for an authorization code.
pub(super) struct Tokens {
    pub(super) access: Zeroizing<String>,
    pub(super) id: Zeroizing<String>,
    /// The whole response, for the application.
    pub(super) all: ProviderTokens,
}

pub(super) async fn redeem(
    wire: &Wire,
    options: &Oidc,
    metadata: &Metadata,
    code: &str,
    request: &ProviderRequest,
    now: Timestamp,
) -> Result<Tokens, AuthError> {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &request.redirect_uri),
        ("code_verifier", &request.verifier),
    ];
    let secret = options.secret.now(&options.client_id, &options.issuer, now);
    let header = authenticate(options, metadata, secret.as_deref(), &mut pairs);
    let (good, body) = wire.post(&metadata.token_endpoint, form(&pairs), header).await?;
    let Value::Object(body) = body else {
        return Err(trouble("the token endpoint returned no JSON object"));
    };
    let error = present(&body, "error").filter(|error| error.as_str() != Some(""));
    if !good || error.is_some() {
        return Err(trouble(format!("the token endpoint returned the error {}", named(error))));
    }
    let bearer = match present(&body, "token_type") {
        None => true,
        Some(kind) => kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")),
    };
    let owned = |text: &str| Zeroizing::new(text.to_owned());
    match (text(&body, "access_token"), text(&body, "id_token")) {
        (Some(access), Some(id)) if bearer => {
            let mut all = ProviderTokens::new(access);
            all.id_token = Some(id.to_owned());
            all.read_members(|name| body.get(name).cloned());
            Ok(Tokens { access: owned(access), id: owned(id), all })
        }
        _ => Err(trouble("the provider returned no ID token or no bearer token")),
    }
}

/// Authenticates the client in the header, which is returned, or with parameters of the body (RFC
/// 6749 §2.3.1).
fn authenticate<'a>(
    options: &'a Oidc,
    metadata: &Metadata,
    secret: Option<&'a String>,
    pairs: &mut Vec<(&'static str, &'a str)>,
) -> Option<String> {
    let in_body = options.secret.is_in_body()
        || options.client_secret_post.unwrap_or_else(|| metadata.takes_secret_in_body_alone());
    if let Some(secret) = secret.filter(|_| !in_body) {
        return Some(basic(&options.client_id, secret));
    }
    pairs.extend(secret.map(|secret| ("client_secret", &**secret)));
    pairs.push(("client_id", &options.client_id));
    None
}

/// Revokes a refresh token (RFC 7009 §2.1).
///
/// # Errors
///
/// [`ErrorKind::ProviderError`](crate::ErrorKind::ProviderError) for any status other than 2xx. An
/// invalid token is none (§2.2).
pub(super) async fn revoke(
    wire: &Wire,
    (options, metadata): (&Oidc, &Metadata),
    url: &str,
    token: &str,
    now: Timestamp,
) -> Result<(), AuthError> {
    let mut pairs = vec![("token", token), ("token_type_hint", "refresh_token")];
    let secret = options.secret.now(&options.client_id, &options.issuer, now);
    let header = authenticate(options, metadata, secret.as_deref(), &mut pairs);
    wire.revoke(url, &pairs, header).await
}

/// Returns an error code of a provider if it is safe to log.
fn named(error: Option<&Value>) -> &str {
    let code = error.and_then(Value::as_str).unwrap_or_default();
    let is_code =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_graphic());
    if is_code { code } else { "?" }
}

/// The response of UserInfo.
pub(super) enum UserInfo {
    Claims(Claims),
    /// A JWT (OpenID Connect Core §5.3.2), which is not verified yet.
    Signed(String),
}

/// Fetches UserInfo.
///
/// # Errors
///
/// [`ErrorKind::ProviderError`](crate::ErrorKind::ProviderError) if the provider does not respond,
/// or returns an error or an invalid response.
pub(super) async fn user_info(
    wire: &Wire,
    url: &str,
    tokens: &Tokens,
) -> Result<UserInfo, AuthError> {
    let answer: Answer = wire.fetch(url, Some(&tokens.access)).await?;
    if !answer.is_success() {
        return Err(trouble(format!("UserInfo returned {}", answer.status())));
    }
    if let Some(token) = answer.jwt() {
        return Ok(UserInfo::Signed(token.to_owned()));
    }
    match answer.json()? {
        Value::Object(claims) => Ok(UserInfo::Claims(claims)),
        _ => Err(trouble("UserInfo returned no JSON object")),
    }
}
