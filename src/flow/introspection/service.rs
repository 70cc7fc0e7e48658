//! Token introspection, without HTTP.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::AccessToken,
    },
    error::AuthError,
    event::EventKind,
    model::{BindingKind, ClientInfo, User},
    services::{Bearers, Core},
    session::AuthenticatedSession,
};

const WINDOW: Duration = Duration::from_secs(3600);
/// The maximum number of requests with a wrong credential, per network and [`WINDOW`].
const MAX_REFUSED: u32 = 100;

/// Tells services what a token stands for.
#[derive(Clone)]
pub struct IntrospectionService {
    core: Arc<Core>,
    /// The hashes of `id:secret`.
    clients: Arc<[[u8; 32]]>,
}

/// The description of a token (RFC 7662 §2.2). If it is inactive, there are no other members.
///
/// ```
/// # async fn example(
/// #     service: &authlayer::flow::introspection::IntrospectionService,
/// # ) -> Result<(), authlayer::AuthError> {
/// let info = service.introspect("aat_…").await?;
/// assert!(!info.active);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct TokenInfo {
    /// Whether the token authenticates a request now.
    pub active: bool,
    /// The id of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The id of the session; none for an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The roles of the user; empty for an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The expiry of the token, in seconds since 1970; none for an API key that does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// The time at which the session began or the API key was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// `Bearer`, or `DPoP` for a token that is bound to a key (RFC 9449).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// The thumbprint `jkt` of that key (RFC 7800).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<serde_json::Value>,
    /// The time at which the user last verified a factor; none for an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The verified factors as methods of RFC 8176; none for an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<&'static str>>,
}

impl IntrospectionService {
    pub(super) fn new(core: Arc<Core>, clients: Vec<(String, String)>) -> Self {
        let hash = |(id, secret): &(String, String)| credential(id, secret);
        Self { core, clients: clients.iter().map(hash).collect() }
    }

    /// Returns whether a service may ask. All clients are compared, in constant time.
    pub(super) fn is_client(&self, id: &str, secret: &str) -> bool {
        let given = credential(id, secret);
        let none = Choice::from(0);
        self.clients.iter().fold(none, |found, own| found | own.ct_eq(&given)).into()
    }

    /// Counts and records a request with a wrong credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited) after a hundred in an hour.
    pub(super) async fn refuse(&self, client: &ClientInfo) -> Result<(), AuthError> {
        let event = self.core.event(EventKind::IntrospectionRefused);
        self.core.events.record(event.client(client));
        let ip = client.ip.as_deref();
        self.core.limits.of_network("introspection", MAX_REFUSED, WINDOW, ip).await
    }

    /// Returns what a token stands for: an access token of a session, or an API key. Anything else
    /// is inactive, as is a token of a disabled user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn introspect(&self, token: &str) -> Result<TokenInfo, AuthError> {
        if let Some(token) = AccessToken::parse(token.as_bytes()) {
            let found = self.core.sessions.introspect(&token).await?;
            return Ok(
                found.map_or_else(TokenInfo::default, |(found, end)| of_session(&found, end))
            );
        }
        let prefix = self.core.offered::<Bearers>().and_then(|all| all.prefix_of(token.as_bytes()));
        let Some(prefix) = prefix else { return Ok(TokenInfo::default()) };
        let Some(key) = OneTimeToken::parse(TokenPurpose::Program(prefix), token) else {
            return Ok(TokenInfo::default());
        };
        let found = self.core.resolve_bearer(&key).await?;
        Ok(found.map_or_else(TokenInfo::default, |found| of_key(&found)))
    }
}

fn credential(id: &str, secret: &str) -> [u8; 32] {
    let len = u64::try_from(id.len()).unwrap_or(u64::MAX).to_be_bytes();
    Sha256::new().chain_update(len).chain_update(id).chain_update(secret).finalize().into()
}

fn of_session(found: &AuthenticatedSession, end: Timestamp) -> TokenInfo {
    let session = &found.session;
    let key = session.binding().filter(|own| own.kind() == BindingKind::Dpop);
    TokenInfo {
        sid: Some(session.id.to_string()),
        exp: Some(end.as_second()),
        auth_time: Some(session.auth_time().as_second()),
        amr: Some(session.amr()),
        token_type: Some(if key.is_some() { "DPoP" } else { "Bearer" }),
        cnf: key.map(|key| serde_json::json!({ "jkt": key.thumbprint() })),
        ..of_user(&found.user, session.created_at)
    }
}

fn of_key(found: &AuthenticatedSession) -> TokenInfo {
    let expires_at = found.key.as_ref().and_then(|grant| grant.key.expires_at);
    TokenInfo {
        exp: expires_at.map(Timestamp::as_second),
        ..of_user(&found.user, found.session.created_at)
    }
}

/// The user of an API key has the scopes of the key and no roles.
fn of_user(user: &User, issued_at: Timestamp) -> TokenInfo {
    TokenInfo {
        active: true,
        sub: Some(user.id.as_str().to_owned()),
        scope: Some(user.scopes.join(" ")),
        roles: Some(user.roles.clone()),
        iat: Some(issued_at.as_second()),
        token_type: Some("Bearer"),
        ..TokenInfo::default()
    }
}

impl fmt::Debug for IntrospectionService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectionService")
    }
}
