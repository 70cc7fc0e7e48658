//! Metadata and keys of a provider, fetched on demand and cached.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    Algorithm, Endpoints, Oidc,
    claims::{Claims, is_true, list, text},
    keys::Keys,
    tenants,
};
use crate::{
    error::AuthError,
    outbound::{Wire, trouble},
};

const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// The minimum time between two requests for unknown keys.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The time after a failure during which the provider is not queried again.
const SILENCE: SignedDuration = SignedDuration::from_secs(1);

/// The metadata of a provider (OpenID Connect Discovery 1.0 §3). Empty and null members are treated
/// as absent.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    pub(super) authorization_response_iss_parameter_supported: bool,
    auth_methods: Vec<String>,
    algorithms: Vec<String>,
    prompts: Vec<String>,
}

impl Metadata {
    fn read(document: &Claims) -> Result<Self, String> {
        let own = |name: &str| text(document, name).map(ToOwned::to_owned);
        let needed = |name: &str| own(name).ok_or_else(|| format!("the metadata has no {name}"));
        let all = |name: &str| list(document, name).into_iter().map(ToOwned::to_owned).collect();
        let promise = "authorization_response_iss_parameter_supported";
        Ok(Self {
            issuer: needed("issuer")?,
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            jwks_uri: needed("jwks_uri")?,
            userinfo_endpoint: own("userinfo_endpoint"),
            end_session_endpoint: own("end_session_endpoint"),
            revocation_endpoint: own("revocation_endpoint"),
            authorization_response_iss_parameter_supported: is_true(document, promise),
            auth_methods: all("token_endpoint_auth_methods_supported"),
            algorithms: all("id_token_signing_alg_values_supported"),
            prompts: all("prompt_values_supported"),
        })
    }

    fn given(issuer: &str, given: Endpoints) -> Self {
        let some = |url: Option<String>| url.filter(|url| !url.is_empty());
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: given.authorization,
            token_endpoint: given.token,
            jwks_uri: given.keys,
            userinfo_endpoint: some(given.user_info),
            end_session_endpoint: some(given.end_session),
            revocation_endpoint: None,
            authorization_response_iss_parameter_supported: false,
            auth_methods: Vec::new(),
            algorithms: Vec::new(),
            prompts: Vec::new(),
        }
    }

    /// Returns whether the token endpoint supports `client_secret_post` but not
    /// `client_secret_basic`, which is the default if no method is listed (RFC 8414 §2).
    pub(super) fn takes_secret_in_body_alone(&self) -> bool {
        let takes = |method: &str| self.auth_methods.iter().any(|own| own == method);
        takes("client_secret_post") && !takes("client_secret_basic")
    }

    /// Returns whether the provider states that `prompt=login` makes the user authenticate again
    /// (Initiating User Registration via OpenID Connect 1.0 §3). Some providers reject the value.
    pub(super) fn has_login_prompt(&self) -> bool {
        self.prompts.iter().any(|own| own == "login")
    }

    /// Returns the configured algorithms that the provider does not offer. A provider that lists
    /// none is assumed to offer all.
    fn not_offered(&self, configured: &[Algorithm]) -> Vec<Algorithm> {
        let offers = |own: &&Algorithm| {
            self.algorithms.iter().any(|name| name.parse().ok().as_ref() == Some(*own))
        };
        let missing = configured.iter().filter(|own| !self.algorithms.is_empty() && !offers(own));
        missing.copied().collect()
    }
}

/// The metadata with its keys.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Arc<Keys>,
    fetched_at: Timestamp,
    looked_at: Timestamp,
}

/// A cache of one provider. The lock is held during a request, so that concurrent callers share it.
#[derive(Debug)]
pub(super) struct Cache {
    options: Oidc,
    given: Option<Metadata>,
    wire: Wire,
    known: Mutex<Option<Known>>,
    failed_at: Mutex<Option<Timestamp>>,
}

impl Cache {
    pub(super) fn new(
        options: &Oidc,
        given: Option<Endpoints>,
        wire: Wire,
    ) -> Result<Self, String> {
        let given = given.map(|given| Metadata::given(&options.issuer, given));
        if let Some(given) = &given {
            check(given, options, &wire)?;
        }
        let (known, failed_at) = (Mutex::new(None), Mutex::new(None));
        Ok(Self { options: options.clone(), given, wire, known, failed_at })
    }

    /// Returns the cached metadata and keys, or fetches them if they are absent or expired. If the
    /// provider fails, expired ones are returned.
    pub(super) async fn get(&self, now: Timestamp) -> Result<Known, AuthError> {
        let mut known = self.known.lock().await;
        let fresh = |known: &Known| is_within(now, known.fetched_at, LIFE);
        if let Some(known) = known.as_ref().filter(|known| fresh(known)) {
            return Ok(known.clone());
        }
        let mut failed_at = self.failed_at.lock().await;
        if failed_at.is_some_and(|at| is_within(now, at, SILENCE)) {
            return known.clone().ok_or_else(|| trouble("the provider did not respond just now"));
        }
        match self.fetch(now).await {
            Ok(news) => {
                *failed_at = None;
                if known.is_none() {
                    self.compare(&news.metadata);
                }
                Ok(known.insert(news).clone())
            }
            Err(error) => {
                *failed_at = Some(now);
                known.clone().ok_or(error)
            }
        }
    }

    /// Fetches the keys again for a token with an unknown key. Returns the same keys if they were
    /// requested within the last minute (OpenID Connect Core §10.1.1).
    pub(super) async fn get_again(&self, now: Timestamp, old: &Known) -> Result<Known, AuthError> {
        let mut known = self.known.lock().await;
        let Some(own) = known.as_mut() else { return Ok(old.clone()) };
        if !Arc::ptr_eq(&own.keys, &old.keys) || is_within(now, own.looked_at, PAUSE) {
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
                let issuer = &self.options.issuer;
                let base = issuer.strip_suffix('/').unwrap_or(issuer);
                let url = format!("{base}/.well-known/openid-configuration");
                let body = self.wire.get(&url, None).await?;
                let Value::Object(document) = body else {
                    return Err(trouble("the metadata is not a JSON object"));
                };
                let metadata = Metadata::read(&document).map_err(trouble)?;
                check(&metadata, &self.options, &self.wire).map_err(trouble)?;
                metadata
            }
        };
        let keys = Arc::new(self.keys(&metadata).await?);
        // The first request for an unknown key is allowed at once.
        let looked_at = now - PAUSE;
        Ok(Known { metadata: Arc::new(metadata), keys, fetched_at: now, looked_at })
    }

    async fn keys(&self, metadata: &Metadata) -> Result<Keys, AuthError> {
        let set = self.wire.get(&metadata.jwks_uri, None).await?;
        Keys::read(&set).map_err(trouble)
    }

    /// Logs configured algorithms that the provider does not offer, before the first user is
    /// redirected. This has no other effect, since the metadata may be wrong.
    fn compare(&self, metadata: &Metadata) {
        let missing = metadata.not_offered(&self.options.algorithms);
        if missing.is_empty() {
            return;
        }
        let names: Vec<_> = missing.iter().map(|own| own.name()).collect();
        let (names, offered) = (names.join(" "), metadata.algorithms.join(" "));
        if missing.len() == self.options.algorithms.len() {
            tracing::error!(
                provider = %self.options.id, configured = names, offered,
                "the provider offers none of the algorithms in .algorithms(…) for ID tokens: \
                 sign-ins will fail"
            );
        } else {
            tracing::warn!(
                provider = %self.options.id, missing = names, offered,
                "the provider does not offer some of the algorithms in .algorithms(…)"
            );
        }
    }
}

/// Returns whether a time is within a window before now. A time in the future, after the clock was
/// set back, is not.
fn is_within(now: Timestamp, at: Timestamp, window: SignedDuration) -> bool {
    let age = now.duration_since(at);
    !age.is_negative() && age < window
}

/// Checks that the issuer is exactly the configured one or its template for tenants, and that all
/// URLs use TLS or loopback.
fn check(metadata: &Metadata, options: &Oidc, wire: &Wire) -> Result<(), String> {
    let (found, own) = (&metadata.issuer, &options.issuer);
    if !tenants::admits_metadata(options, found) {
        let hint = match tenants::is_template(found) {
            true => "; list the tenants with .tenants(…)",
            false => "",
        };
        return Err(format!("the issuer in the metadata is {found:?}, not {own:?}{hint}"));
    }
    let needed = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
    let others = [&metadata.userinfo_endpoint, &metadata.end_session_endpoint];
    let all = needed.into_iter().chain(others.into_iter().flatten());
    match all.into_iter().find(|url| !wire.admits(url)) {
        Some(url) => Err(format!("{url:?} is neither https nor on loopback")),
        None => Ok(()),
    }
}
