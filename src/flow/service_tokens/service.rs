//! Tokens for other services, without HTTP.

use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    claims::{Claims, LIFETIME},
    keys::SigningKeys,
};
use crate::{
    crypto::seal::Sealer,
    error::{AuthError, ErrorKind},
    services::Core,
    session::AuthUser,
};

/// Issues tokens for other services.
#[derive(Clone)]
pub struct ServiceTokenService {
    core: Arc<Core>,
    audiences: Arc<[String]>,
    keys: Arc<SigningKeys>,
}

/// A token for another service. `Debug` is redacted.
///
/// ```
/// # use authlayer::{AuthError, AuthUser, flow::service_tokens::ServiceTokenService};
/// async fn header(service: &ServiceTokenService, user: &AuthUser) -> Result<String, AuthError> {
///     let issued = service.issue(user, "https://reports.example.com").await?;
///     Ok(format!("Bearer {}", issued.token))
/// }
/// ```
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ServiceToken {
    /// The JWT (RFC 9068).
    pub token: String,
    /// Its lifetime in seconds.
    pub expires_in: u64,
}

impl ServiceTokenService {
    pub(super) fn new(core: Arc<Core>, audiences: Vec<String>, sealer: Sealer) -> Self {
        let keys = SigningKeys::new(core.changes.clone(), Arc::clone(&core.clock), sealer);
        Self { core, audiences: audiences.into(), keys: Arc::new(keys) }
    }

    /// Issues a token of the user of a session for a service.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Forbidden`] if an API key authenticated the request.
    /// - [`ErrorKind::InvalidMembers`] if the audience is not one of the flow.
    /// - [`ErrorKind::Unavailable`] if the store fails, or if the key that signs was sealed with a
    ///   key that [`AuthBuilder::sealing_keys`](crate::AuthBuilder::sealing_keys) does not have.
    ///
    /// # Security
    ///
    /// The service accepts the token until it expires, also if the session ends before.
    pub async fn issue(&self, user: &AuthUser, audience: &str) -> Result<ServiceToken, AuthError> {
        if user.api_key().is_some() {
            return Err(Core::not_by_key());
        }
        if !self.audiences.iter().any(|own| own == audience) {
            let error = AuthError::new(ErrorKind::InvalidMembers);
            return Err(error.with_extension("members", vec!["audience"]));
        }
        let own = (user.user(), user.session());
        let now = self.core.clock.now();
        let program = self.core.program_of(own.1).await?;
        let claims = Claims::new(self.core.origins.first(), program, own, audience, now)?;
        let token = self.keys.sign(&claims).await?;
        Ok(ServiceToken { token, expires_in: LIFETIME.unsigned_abs() })
    }

    /// Returns the public keys with which services verify tokens: a JWK Set (RFC 7517 §5).
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue) of the store and the keys.
    pub async fn jwks(&self) -> Result<Value, AuthError> {
        Ok(json!({ "keys": self.keys.published().await? }))
    }

    /// Deletes all keys, for example after a sealing key was disclosed. The next key signs at once,
    /// before services that cache the set have fetched it: they reject its tokens until then. Other
    /// processes sign with the deleted key for up to a minute.
    ///
    /// ```
    /// # use authlayer::{Auth, ServiceTokens};
    /// # async fn replace(auth: &Auth) -> Result<(), Box<dyn std::error::Error>> {
    /// auth.service::<ServiceTokens>()?.replace_keys().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn replace_keys(&self) -> Result<(), AuthError> {
        self.keys.replace().await
    }
}

impl fmt::Debug for ServiceTokenService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenService")
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}
