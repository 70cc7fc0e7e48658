//! Sign-in with a provider, without HTTP.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    ceremony::{AuthorizationRequest, Ceremony, Taken, tag_of},
    parameters::{CallbackOutcome, CallbackParams, StartOptions},
    step_up::check_step_up,
};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        digest::{Digest, Domain},
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{
        Basis, ClientInfo, Factor, FactorProof, IdpSession, Session, TokenDelivery, Transport, User,
    },
    provider::{ProviderProfile, ProviderRequest, RegisteredProvider, RequestedParams},
    services::Core,
    services::identity::Known,
    services::{Outcome, SignInAttempt, Verified},
    session::unused_key,
    store::{Challenge, ChallengeKind, Credential, SessionTag},
};

const EXCHANGE_LIFE: std::time::Duration = std::time::Duration::from_secs(60);

/// Signs users in with one provider, and links its identities.
#[derive(Clone)]
pub struct OAuthService {
    pub(super) core: Arc<Core>,
    pub(super) provider: Arc<RegisteredProvider>,
}

#[derive(Serialize, Deserialize)]
struct Waiting {
    proof: FactorProof,
    is_persistent: Option<bool>,
    upstream: IdpSession,
    code_challenge: String,
    identity: String,
    /// The tags of [`upstream`](Self::upstream), by which the sign-in is revoked.
    #[serde(default)]
    tags: Vec<SessionTag>,
}

impl OAuthService {
    pub(super) fn new(core: Arc<Core>, provider: Arc<RegisteredProvider>) -> Self {
        Self { core, provider }
    }

    /// Returns the service of another registered provider by its id.
    pub fn provider(&self, id: &str) -> Option<Self> {
        Some(Self { core: Arc::clone(&self.core), provider: self.core.providers.find(id)? })
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn id(&self) -> &str {
        self.provider.id()
    }

    /// Returns the tag by which the cookie of a state is found.
    pub(super) fn cookie_tag(state: &str) -> Option<String> {
        tag_of(state)
    }

    /// Starts a sign-in.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRedirect`] if the redirect target is not allowed.
    /// - [`ErrorKind::InvalidRequest`] if a native application sends no code challenge.
    /// - [`ErrorKind::TransportDisabled`] if the transport is disabled.
    /// - [`ErrorKind::NotFound`] if the provider is only for linking.
    /// - [`ErrorKind::ProviderError`] if the provider does not respond.
    pub async fn start(&self, start: StartOptions) -> Result<AuthorizationRequest, AuthError> {
        self.begin(self.sign_in_ceremony(start)?, None).await
    }

    /// Checks the options of a sign-in, without a request or a statement.
    pub(super) fn sign_in_ceremony(&self, start: StartOptions) -> Result<Ceremony, AuthError> {
        if !self.provider.rules().sign_in {
            return Err(ErrorKind::NotFound.into());
        }
        let core = &self.core;
        let transport = core.sessions.options().resolve_transport(start.transport)?;
        let place = start.redirect_to.unwrap_or_else(|| "/".to_owned());
        core.redirects.check(&place)?;
        let mut ceremony = Ceremony::new(core, &self.provider, place);
        let StartOptions { login_hint, prompts, scopes, .. } = start;
        let asked = RequestedParams { login_hint, prompts, scopes };
        ceremony.asked = self.provider.allowed_params().filter(&asked);
        if transport == Transport::Bearer {
            if !core.redirects.is_exact(&ceremony.redirect_to) {
                return Err(ErrorKind::InvalidRedirect.into());
            }
            let challenge = start.code_challenge.filter(|text| is_s256(text));
            ceremony.code_challenge = Some(challenge.ok_or_else(|| {
                let error = AuthError::new(ErrorKind::InvalidRequest);
                error.with_detail(
                    "A native application must send code_challenge, the S256 of its code_verifier.",
                )
            })?);
        }
        let is_persistent = start.persistent.unwrap_or(true);
        ceremony.delivery = TokenDelivery { transport, is_persistent, jkt: None };
        Ok(ceremony)
    }

    /// Stores a ceremony whose options were checked, and returns the redirect to the provider.
    pub(super) async fn begin(
        &self,
        ceremony: Ceremony,
        user: Option<&User>,
    ) -> Result<AuthorizationRequest, AuthError> {
        ceremony.begin(&self.core, &self.provider, user).await
    }

    /// Completes a sign-in, link or step-up with the parameters of a callback. The request is
    /// deleted before the first request to the provider.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidState`] if there is no valid request of this browser.
    /// - [`ErrorKind::ProviderDenied`] if the user or the provider denied the request.
    /// - [`ErrorKind::ProviderError`] if a response of the provider is missing or invalid.
    /// - [`ErrorKind::EmailNotVerified`], [`ErrorKind::AccountExists`] and
    ///   [`ErrorKind::SignUpDisabled`] if an unknown identity cannot create a user.
    /// - [`ErrorKind::IdentityTaken`] if the identity is linked to another user.
    /// - [`ErrorKind::AccountDisabled`] if the user is disabled, or the provider barred the identity.
    pub async fn callback(
        &self,
        callback: CallbackParams<'_>,
        signed_in: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<CallbackOutcome, AuthError> {
        let landing = self.land(callback, signed_in, client.clone()).await;
        if let Err(error) = &landing {
            self.record_refused(error, &client);
        }
        landing
    }

    pub(super) fn record_refused(&self, error: &AuthError, client: &ClientInfo) {
        let event = self.core.event(EventKind::ProviderRefused).client(client);
        self.core.events.record(event.reason(error.kind().code()));
    }

    /// Completes a sign-in with an identity, which must still be that of the user afterwards.
    pub(super) async fn sign_in(
        &self,
        attempt: SignInAttempt,
        upstream: IdpSession,
        identity: &Credential,
    ) -> Result<Outcome, AuthError> {
        let verified = Some(Verified::existing(identity));
        let own = Some(upstream.clone());
        let attempt = SignInAttempt { upstream: own, verified, ..attempt };
        let outcome = self.core.finish_sign_in(attempt).await?;
        let outcome = self.core.is_still(identity, outcome).await?;
        self.core.unless_barred(Some(&upstream), outcome).await
    }

    async fn land(
        &self,
        callback: CallbackParams<'_>,
        signed_in: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<CallbackOutcome, AuthError> {
        let (core, provider) = (&self.core, &*self.provider);
        let (state, secret) = callback.state.zip(callback.secret).ok_or(ErrorKind::InvalidState)?;
        let by_query = [callback.code, callback.error, callback.iss];
        if provider.uses_form_post() && by_query.iter().any(Option::is_some) {
            return Err(ErrorKind::InvalidState.into());
        }
        let taken = Ceremony::take(core, provider, state, secret).await?;
        let Taken { ceremony, challenge, request, posted } = taken;
        let [code, error, iss] = match &posted {
            Some(posted) => [&posted.code, &posted.error, &posted.iss].map(Option::as_deref),
            None => by_query,
        };
        provider.check_issuer(iss).await?;
        let [code, error] = [code, error].map(|own| own.filter(|text| !text.is_empty()));
        let code = match (code, error) {
            (Some(code), None) => code,
            (None, Some(error)) => return Err(refused_by_provider(error)),
            _ => return Err(ErrorKind::InvalidState.into()),
        };
        if let Some(session) = ceremony.link.as_ref().or(ceremony.step_up.as_ref()) {
            let own = signed_in.filter(|(user, own)| {
                challenge.user_id.as_ref() == Some(&user.id) && own.id.to_string() == *session
            });
            let (_, session) = own.ok_or(ErrorKind::InvalidState)?;
            let mut profile = self.profile(code, &request).await?;
            check_step_up(&request, &profile, core.clock.now())?;
            // The provider may have taken long to respond, so the session is checked again.
            let stands = core.sessions.current(session).await?;
            let stands = stands.filter(|now| challenge.user_id.as_ref() == Some(&now.user.id));
            let stands = stands.ok_or(ErrorKind::InvalidState)?;
            let (user, session) = (&stands.user, &stands.session);
            let begun_at = challenge.created_at;
            let tokens = self.take_tokens(&user.id, &mut profile);
            return tokens
                .after(self.finish_on(ceremony, &profile, user, session, &client, begun_at))
                .await;
        }
        let mut profile = self.profile(code, &request).await?;
        profile.given_name = posted.and_then(|posted| posted.name);
        let known = core.know(provider, &profile, &client).await?;
        let tokens = self.take_tokens(&known.user.id, &mut profile);
        tokens.after(self.finish(ceremony, known, profile, client)).await
    }

    async fn profile(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, AuthError> {
        let profile = self.provider.redeem_code(code, request).await?;
        self.core.providers.check_issuer(&self.provider, &profile)?;
        Ok(profile)
    }

    async fn finish(
        &self,
        ceremony: Ceremony,
        known: Known,
        profile: ProviderProfile,
        client: ClientInfo,
    ) -> Result<CallbackOutcome, AuthError> {
        let core = &self.core;
        let now = whole_millis(core.clock.now());
        let proof = proof_of(&profile, now);
        let upstream = self.provider.upstream(&profile);
        let redirect_to = ceremony.redirect_to;
        if let Some(code_challenge) = ceremony.code_challenge {
            let identity = known.identity.lookup;
            let is_persistent = Some(ceremony.delivery.is_persistent);
            let tags = upstream.tags().collect();
            let waiting =
                Waiting { proof, is_persistent, upstream, code_challenge, identity, tags };
            let code = self.keep(&known.user, &waiting).await?;
            return Ok(CallbackOutcome::Native { code, redirect_to });
        }
        let attempt = SignInAttempt::new(known.user, proof, ceremony.delivery, client);
        let outcome = self.sign_in(attempt, upstream, &known.identity).await?;
        if let (Outcome::Complete(complete), Some(token)) = (&outcome, &profile.id_token) {
            self.keep_hint(&complete.1.session, token).await;
        }
        Ok(CallbackOutcome::Browser { outcome, redirect_to })
    }

    /// Stores a sign-in until the native application exchanges its code.
    async fn keep(&self, user: &User, waiting: &Waiting) -> Result<TokenString, AuthError> {
        let handle = OneTimeToken::random(TokenPurpose::Exchange)?;
        let now = whole_millis(self.core.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Exchange,
            user_id: Some(user.id.clone()),
            address: None,
            code: None,
            tries: 1,
            data: json!(waiting),
            created_at: now,
            expires_at: after(now, EXCHANGE_LIFE),
        };
        self.core.store_challenge(&challenge).await?;
        Ok(handle.to_token())
    }

    /// Exchanges the one-time code of a native application for a session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCode`] if the code is unknown, used or expired, or does not match the
    /// verifier. Any attempt consumes the code. [`ErrorKind::AccountDisabled`] if the provider barred
    /// the identity.
    pub async fn redeem_code(
        &self,
        code: &str,
        verifier: &str,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let core = &self.core;
        let refused = || AuthError::from(ErrorKind::InvalidCode);
        let transport = Transport::Bearer;
        let jkt = unused_key(transport).await?;
        let handle = OneTimeToken::parse(TokenPurpose::Exchange, code).ok_or_else(refused)?;
        let (id, now) = (handle.digest(), core.clock.now());
        let taken = core.challenges.take_challenge(&id, None, now).await?;
        let taken = taken.filter(|own| own.kind == ChallengeKind::Exchange);
        let taken = taken.ok_or_else(refused)?;
        let waiting: Waiting = serde_json::from_value(taken.data).map_err(|_| refused())?;
        let own = Digest::hash(Domain::CODE_CHALLENGE, waiting.code_challenge.as_bytes());
        let given = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if !own.ct_eq(&Digest::hash(Domain::CODE_CHALLENGE, given.as_bytes())) {
            return Err(refused());
        }
        let id = taken.user_id.ok_or_else(refused)?;
        let user = core.users.find_user(&id).await?.filter(User::is_active);
        let user = user.ok_or_else(refused)?;
        let kind = crate::store::CredentialKind::Identity;
        let identity = core.credentials.find_credential(kind, &waiting.identity).await?;
        let identity = identity.filter(|own| own.user_id == id).ok_or_else(refused)?;
        core.require_not_barred(&identity.lookup).await?;
        let is_persistent = waiting.is_persistent.unwrap_or(true);
        let delivery = TokenDelivery { transport, is_persistent, jkt };
        let attempt = SignInAttempt::new(user, waiting.proof, delivery, client);
        self.sign_in(attempt, waiting.upstream, &identity).await
    }
}

/// Returns what a profile proves: the time only if the provider stated it.
pub(super) fn proof_of(profile: &ProviderProfile, now: jiff::Timestamp) -> FactorProof {
    let proof = match profile.proved_at {
        Some(at) => FactorProof::new(Factor::Provider, at.min(now)),
        None => FactorProof::new(Factor::Provider, now).on(Basis::Untimed),
    };
    proof.multi_factor(profile.is_multi_factor)
}

/// Error codes for a denial by the user, or by the provider in place of the user (OpenID Connect
/// Core §3.1.2.6). `user_cancelled_authorize` is used by Apple and LinkedIn.
const DENIALS: &[&str] = &[
    "access_denied",
    "consent_required",
    "interaction_required",
    "login_required",
    "user_cancelled_authorize",
];

/// Returns the error of a callback: a denial, or an error of the provider for any other code.
fn refused_by_provider(error: &str) -> AuthError {
    let denied = DENIALS.contains(&error);
    let kind = if denied { ErrorKind::ProviderDenied } else { ErrorKind::ProviderError };
    let error: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
    AuthError::new(kind).with_source(format!("the provider returned the error {error}"))
}

/// Returns whether the text is the base64url of a SHA-256 hash.
fn is_s256(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|hash| hash.len() == 32)
}

impl fmt::Debug for OAuthService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthService").field("provider", &self.id()).finish_non_exhaustive()
    }
}
