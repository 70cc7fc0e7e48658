//! Metadata and keys of a provider: fetched when wanted, and kept for a while.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use openidconnect::core::CoreJsonWebKeySet;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Endpoints;
use crate::{
    error::AuthError,
    outbound::{Wire, trouble},
};

const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Between two looks for keys that were not there.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// How long a failure is believed, so that a provider that is down is not asked for everybody.
const SILENCE: SignedDuration = SignedDuration::from_secs(1);

/// What a provider says of itself (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// The metadata with the keys to it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Arc<CoreJsonWebKeySet>,
    fetched_at: Timestamp,
    looked_at: Timestamp,
}

/// What is known of a provider. The lock is held while it is asked, so one asks for all.
#[derive(Debug)]
pub(super) struct Cache {
    issuer: String,
    given: Option<Metadata>,
    wire: Wire,
    known: Mutex<Option<Known>>,
    failed_at: Mutex<Option<Timestamp>>,
}

impl Cache {
    pub(super) fn new(issuer: &str, given: Option<Endpoints>, wire: Wire) -> Result<Self, String> {
        let given = given.map(|given| Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: given.authorization,
            token_endpoint: given.token,
            jwks_uri: given.keys,
            userinfo_endpoint: given.user_info,
            end_session_endpoint: given.end_session,
            authorization_response_iss_parameter_supported: false,
        });
        if let Some(given) = &given {
            check(given, issuer, &wire)?;
        }
        let (known, failed_at) = (Mutex::new(None), Mutex::new(None));
        Ok(Self { issuer: issuer.to_owned(), given, wire, known, failed_at })
    }

    /// What is known, asked for where it is not, or too old. A provider that does not answer
    /// then is taken at its last word.
    pub(super) async fn get(&self, now: Timestamp) -> Result<Known, AuthError> {
        let mut known = self.known.lock().await;
        let fresh = |known: &Known| now.duration_since(known.fetched_at) < LIFE;
        if let Some(known) = known.as_ref().filter(|known| fresh(known)) {
            return Ok(known.clone());
        }
        let mut failed_at = self.failed_at.lock().await;
        if failed_at.is_some_and(|at| now.duration_since(at) < SILENCE) {
            return known.clone().ok_or_else(|| trouble("the provider did not answer just now"));
        }
        match self.fetch(now).await {
            Ok(news) => {
                *failed_at = None;
                Ok(known.insert(news).clone())
            }
            Err(error) => {
                *failed_at = Some(now);
                known.clone().ok_or(error)
            }
        }
    }

    /// The keys once more, for a token whose key is not among them; the same as before when
    /// that was asked a moment ago (OpenID Connect Core §10.1.1).
    pub(super) async fn get_again(&self, now: Timestamp, old: &Known) -> Result<Known, AuthError> {
        let mut known = self.known.lock().await;
        let Some(own) = known.as_mut() else { return Ok(old.clone()) };
        if !Arc::ptr_eq(&own.keys, &old.keys) || now.duration_since(own.looked_at) < PAUSE {
            return Ok(own.clone());
        }
        own.looked_at = now;
        own.keys = Arc::new(self.keys(&own.metadata).await?);
        Ok(own.clone())
    }

    async fn fetch(&self, now: Timestamp) -> Result<Known, AuthError> {
        let metadata = match &self.given {
            Some(given) => given.clone(),
            None => {
                let base = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
                let url = format!("{base}/.well-known/openid-configuration");
                let body = self.wire.get(&url, None).await?;
                let metadata: Metadata = serde_json::from_value(body).map_err(trouble)?;
                check(&metadata, &self.issuer, &self.wire).map_err(trouble)?;
                metadata
            }
        };
        let keys = Arc::new(self.keys(&metadata).await?);
        // The first look for an unknown key need not wait.
        let looked_at = now - PAUSE;
        Ok(Known { metadata: Arc::new(metadata), keys, fetched_at: now, looked_at })
    }

    async fn keys(&self, metadata: &Metadata) -> Result<CoreJsonWebKeySet, AuthError> {
        serde_json::from_value(self.wire.get(&metadata.jwks_uri, None).await?).map_err(trouble)
    }
}

/// The issuer is exactly the one that was configured, and no address is less safe.
fn check(metadata: &Metadata, issuer: &str, wire: &Wire) -> Result<(), String> {
    if metadata.issuer != issuer {
        return Err(format!("the provider calls itself {:?}, not {issuer:?}", metadata.issuer));
    }
    let needed = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
    let others = [&metadata.userinfo_endpoint, &metadata.end_session_endpoint];
    let all = needed.into_iter().chain(others.into_iter().flatten());
    match all.into_iter().find(|url| !wire.admits(url)) {
        Some(url) => Err(format!("{url:?} is neither https nor on loopback")),
        None => Ok(()),
    }
}
