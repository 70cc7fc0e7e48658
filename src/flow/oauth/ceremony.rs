//! An authorization request, from its start to the callback.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::posted::Posted;
use crate::{
    clock::{after, whole_millis},
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    model::{TokenDelivery, Transport, User},
    provider::{ProviderRequest, RegisteredProvider, RequestedParams},
    services::Core,
    store::{Challenge, ChallengeKind},
};

const LIFE: std::time::Duration = std::time::Duration::from_secs(600);
/// The number of characters of a state's hash that distinguish its cookie from others.
const TAG: usize = 8;

/// The stored data of a request. It is never replaced by values from the callback, and contains no
/// secrets.
#[derive(Serialize, Deserialize)]
pub(super) struct Ceremony {
    provider: String,
    issuer: String,
    /// The session to which the identity is linked, or `None` for a sign-in.
    pub(super) link: Option<String>,
    /// The session of a step-up.
    #[serde(default)]
    pub(super) step_up: Option<String>,
    pub(super) redirect_to: String,
    redirect_uri: String,
    #[serde(flatten)]
    pub(super) delivery: TokenDelivery,
    pub(super) code_challenge: Option<String>,
    /// The sealed parameters of a posted response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) posted: Option<String>,
    /// The parameters that the link to `start` adds to the authorization request.
    #[serde(skip)]
    pub(super) asked: RequestedParams,
}

/// A request that a callback has taken.
pub(super) struct Taken {
    pub(super) ceremony: Ceremony,
    pub(super) challenge: Challenge,
    pub(super) request: ProviderRequest,
    /// The parameters of a posted response.
    pub(super) posted: Option<Posted>,
}

/// A started authorization request, with the data for the browser.
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// The URL to which the browser is redirected.
    pub authorization_url: String,
    /// The name of the cookie, without its prefix.
    pub cookie: String,
    /// The secret for the cookie of this browser.
    pub secret: TokenString,
}

/// The URL contains the state, which is a secret of this browser.
impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

impl Ceremony {
    pub(super) fn new(core: &Core, provider: &RegisteredProvider, redirect_to: String) -> Self {
        Self {
            provider: provider.id().to_owned(),
            issuer: provider.issuer().to_owned(),
            link: None,
            step_up: None,
            redirect_to,
            redirect_uri: core.redirect_uri(provider.id()),
            delivery: Transport::Cookie.into(),
            code_challenge: None,
            posted: None,
            asked: RequestedParams::default(),
        }
    }

    /// Stores the request and returns the redirect of the browser.
    pub(super) async fn begin(
        self,
        core: &Core,
        provider: &RegisteredProvider,
        user: Option<&User>,
    ) -> Result<AuthorizationRequest, AuthError> {
        let (state, browser) = (
            OneTimeToken::random(TokenPurpose::Flow)?,
            OneTimeToken::random(TokenPurpose::Browser)?,
        );
        let secret = browser.to_token();
        let now = whole_millis(core.clock.now());
        let begun_at = self.step_up.as_ref().map(|_| now);
        let mut request = request(self.redirect_uri.clone(), &state, &browser, begun_at);
        request.asked = self.asked.clone();
        let authorization_url = provider.authorization_url(&request).await?;
        let challenge = Challenge {
            id: state.digest(),
            kind: ChallengeKind::OAuth,
            user_id: user.map(|user| user.id.clone()),
            address: None,
            code: Some(state.bind_code(secret.expose())),
            tries: 1,
            data: serde_json::to_value(&self).map_err(AuthError::misconfigured)?,
            created_at: now,
            expires_at: after(now, LIFE),
        };
        core.store_challenge(&challenge).await?;
        let cookie = format!("{:08x}{}", now.as_second(), tag(&state));
        Ok(AuthorizationRequest { authorization_url, cookie, secret })
    }

    /// Takes the request of a state and a browser.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidState`] if there is no valid request of this provider and this browser.
    /// A callback of another browser does not consume the request.
    pub(super) async fn take(
        core: &Core,
        provider: &RegisteredProvider,
        state: &str,
        secret: &str,
    ) -> Result<Taken, AuthError> {
        let refused = || AuthError::from(ErrorKind::InvalidState);
        let state = OneTimeToken::parse(TokenPurpose::Flow, state).ok_or_else(refused)?;
        let browser = OneTimeToken::parse(TokenPurpose::Browser, secret).ok_or_else(refused)?;
        let bound = state.bind_code(secret);
        let (id, now) = (state.digest(), core.clock.now());
        let taken = core.challenges.take_challenge(&id, Some(&bound), now).await?;
        let taken = taken.filter(|taken| taken.kind == ChallengeKind::OAuth);
        let taken = taken.ok_or_else(refused)?;
        let own: Self = serde_json::from_value(Value::clone(&taken.data)).map_err(|_| refused())?;
        if !own.is_of(provider) {
            return Err(refused());
        }
        let posted = match (provider.uses_form_post(), &own.posted) {
            (true, Some(sealed)) => Some(Posted::open(&state, sealed)?),
            (true, None) => return Err(refused()),
            (false, _) => None,
        };
        let begun_at = own.step_up.as_ref().map(|_| taken.created_at);
        let request = request(own.redirect_uri.clone(), &state, &browser, begun_at);
        Ok(Taken { ceremony: own, challenge: taken, request, posted })
    }

    pub(super) fn is_of(&self, provider: &RegisteredProvider) -> bool {
        self.provider == provider.id() && self.issuer == provider.issuer()
    }
}

/// Returns the tag by which the cookie of a state is found.
pub(super) fn tag_of(state: &str) -> Option<String> {
    OneTimeToken::parse(TokenPurpose::Flow, state).map(|state| tag(&state))
}

fn tag(state: &OneTimeToken) -> String {
    state.digest().to_base64().chars().take(TAG).collect()
}

fn request(
    redirect_uri: String,
    state: &OneTimeToken,
    browser: &OneTimeToken,
    step_up: Option<Timestamp>,
) -> ProviderRequest {
    ProviderRequest {
        asked: RequestedParams::default(),
        step_up,
        redirect_uri,
        state: zeroize::Zeroizing::new(state.to_token().expose().to_owned()),
        nonce: browser.derive("nonce", state),
        verifier: browser.derive("pkce", state),
    }
}
