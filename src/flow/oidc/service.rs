//! An OpenID provider, without HTTP.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Oidc,
    claims::{Claims, present, text},
    client::{Tokens, UserInfo, redeem, revoke, user_info},
    events,
    jws::{self, Expected, Refusal},
    logout,
    metadata::{Cache, Known},
    profile::{More, auth_time, profile},
    tenants, verify,
};
use crate::{
    clock::Clock,
    error::AuthError,
    outbound::{Wire, form, trouble},
    provider::{
        EventFormat, Provider, ProviderError, ProviderEvents, ProviderLogout, ProviderProfile,
        ProviderRequest,
    },
    services::Core,
};

pub(super) struct OidcProvider {
    options: Oidc,
    cache: Cache,
    wire: Wire,
    clock: Arc<dyn Clock>,
    signed_out: String,
}

/// The outcome of verifying a token of the provider.
enum TokenCheck<T> {
    Valid(T),
    /// The reason why the token is invalid.
    Invalid(String),
}

impl<T> TokenCheck<T> {
    fn valid(self) -> Result<T, String> {
        match self {
            Self::Valid(content) => Ok(content),
            Self::Invalid(reason) => Err(reason),
        }
    }
}

impl OidcProvider {
    pub(super) fn new(mut options: Oidc, core: &Core) -> Result<Self, String> {
        let wire = Wire::new(options.client.clone(), &options.issuer)?;
        if let Some(url) = options.revocation_url.as_ref().filter(|url| !wire.admits(url)) {
            return Err(format!("{url:?} in .revocation_url(…) is neither https nor on loopback"));
        }
        let given = options.endpoints.take();
        let cache = Cache::new(&options, given, wire.clone())?;
        let signed_out = format!(
            "{}{}/oauth/{}/signed-out",
            core.origins.of_callbacks(),
            core.mount,
            options.id
        );
        Ok(Self { options, cache, wire, clock: Arc::clone(&core.clock), signed_out })
    }

    /// Verifies a token with the cached keys, and if its key is unknown again with the current
    /// keys.
    async fn checked<T>(
        &self,
        check: impl Fn(&Known) -> Result<T, Refusal>,
    ) -> Result<TokenCheck<T>, AuthError> {
        Ok(match self.verified(check).await? {
            Ok(content) => TokenCheck::Valid(content),
            Err(refusal) => TokenCheck::Invalid(refusal.to_string()),
        })
    }

    async fn verified<T>(
        &self,
        check: impl Fn(&Known) -> Result<T, Refusal>,
    ) -> Result<Result<T, Refusal>, AuthError> {
        let now = self.clock.now();
        let known = self.cache.get(now).await?;
        let result = check(&known);
        match result {
            Err(refusal) if refusal.depends_on_keys() => {
                Ok(check(&self.cache.get_again(now, &known).await?))
            }
            result => Ok(result),
        }
    }

    /// Fetches additional claims of the subject from UserInfo. If the request fails or its
    /// signature is invalid, a known user can sign in nevertheless.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderError`] if the claims have another subject or none (OpenID Connect Core
    /// §5.3.2).
    async fn more(&self, url: &str, tokens: &Tokens, subject: &str) -> Result<More, AuthError> {
        let claims = match user_info(&self.wire, url, tokens).await {
            Ok(UserInfo::Claims(claims)) => Ok(claims),
            Ok(UserInfo::Signed(token)) => self.signed_user_info(&token).await,
            Err(error) => Err(error),
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(
                    provider = %self.options.id,
                    cause = error.source().map(tracing::field::display),
                    "UserInfo returned no valid claims, so the ID token decides; \
                     disable it with .fetch_user_info(false)"
                );
                return Ok(More::Failed);
            }
        };
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(trouble("UserInfo has another subject"));
        }
        Ok(More::Claims(claims))
    }

    /// Returns the claims of a valid ID token, if the user has the required ones.
    fn permitted(&self, claims: Claims) -> Result<Claims, ProviderError> {
        match self.options.has_required_claims(&claims) {
            true => Ok(claims),
            false => Err(ProviderError::denied()),
        }
    }

    /// Verifies the signed response of UserInfo. Issuer and audience are checked if present.
    async fn signed_user_info(&self, token: &str) -> Result<Claims, AuthError> {
        let options = &self.options;
        let signed = self.checked(|known| {
            let claims = jws::verify(options, &known.keys, token, USER_INFO)?.claims;
            let is_own = |iss: &Value| {
                let iss = iss.as_str().unwrap_or_default();
                tenants::is_issuer(options, &known.metadata.issuer, iss)
            };
            let foreign = present(&claims, "iss").is_some_and(|iss| !is_own(iss));
            let for_us = match present(&claims, "aud") {
                Some(Value::Array(all)) => all.iter().any(|one| *one == options.client_id),
                Some(one) => *one == options.client_id,
                None => true,
            };
            if foreign || !for_us {
                Err("UserInfo is for another issuer or client".into())
            } else {
                Ok(claims)
            }
        });
        signed.await?.valid().map_err(trouble)
    }
}

impl Provider for OidcProvider {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn issuer(&self) -> &str {
        &self.options.issuer
    }

    fn proves_time(&self) -> bool {
        true
    }

    fn proves_time_at_sign_in(&self) -> bool {
        self.options.max_age.is_some()
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        let known = self.cache.get(self.clock.now()).await?;
        let scope = request.scope(&self.options.scopes);
        let challenge = request.code_challenge();
        // A step-up requires a new authentication, regardless of `max_age` of the flow.
        let max_age = request.step_up.map(|_| Duration::ZERO).or(self.options.max_age);
        let age = max_age.map(|age| age.as_secs().to_string());
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.options.client_id),
            ("redirect_uri", &request.redirect_uri),
            ("scope", &scope),
            ("state", &request.state),
            ("nonce", &request.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        pairs.extend(age.as_deref().map(|age| ("max_age", age)));
        pairs.extend(self.options.form_post.then_some(("response_mode", "form_post")));
        let mut params = request.params(&self.options.parameters);
        // Some providers do not know `max_age`.
        if request.step_up.is_some() && known.metadata.has_login_prompt() {
            params.entry("prompt".to_owned()).or_insert_with(|| "login".to_owned());
        }
        pairs.extend(params.iter().map(|(name, value)| (&**name, &**value)));
        Ok(with_query(&known.metadata.authorization_endpoint, &form(&pairs)))
    }

    async fn check_issuer(&self, iss: Option<&str>) -> Result<bool, ProviderError> {
        let Some(iss) = iss else {
            let known = self.cache.get(self.clock.now()).await?;
            return Ok(!known.metadata.authorization_response_iss_parameter_supported);
        };
        let is_configured = iss == self.options.issuer;
        if is_configured || self.options.tenants.is_empty() {
            return Ok(is_configured);
        }
        let known = self.cache.get(self.clock.now()).await?;
        Ok(tenants::is_issuer(&self.options, &known.metadata.issuer, iss))
    }

    async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        let known = self.cache.get(self.clock.now()).await?;
        let tokens: Tokens =
            redeem(&self.wire, &self.options, &known.metadata, code, request, self.clock.now())
                .await?;
        // The time of a step-up is compared with its start instead.
        let max_age = self.options.max_age.filter(|_| request.step_up.is_none());
        let options = Oidc { max_age, ..self.options.clone() };
        let claims = self.checked(|known| {
            verify::verify(&options, known, &tokens, &request.nonce, self.clock.now())
        });
        let claims = self.permitted(claims.await?.valid().map_err(trouble)?)?;
        let subject = text(&claims, "sub").unwrap_or_default();
        let url = known.metadata.userinfo_endpoint.as_ref().filter(|_| self.options.user_info);
        let more = match url {
            Some(url) => self.more(url, &tokens, subject).await?,
            None => More::None,
        };
        let mut profile = profile(&self.options, &claims, &more);
        if request.step_up.is_some() {
            profile.proved_at = auth_time(&claims);
        }
        profile.id_token = self.options.store_id_token.then_some(tokens.id);
        profile.tokens = Some(tokens.all);
        Ok(profile)
    }

    async fn revoke_token(&self, refresh_token: &str) -> Result<bool, ProviderError> {
        let now = self.clock.now();
        let known = self.cache.get(now).await?;
        let (options, metadata) = (&self.options, &*known.metadata);
        let url = options.revocation_url.as_ref().or(metadata.revocation_endpoint.as_ref());
        let Some(url) = url else { return Ok(false) };
        revoke(&self.wire, (options, metadata), url, refresh_token, now).await?;
        Ok(true)
    }

    fn uses_form_post(&self) -> bool {
        self.options.form_post
    }

    fn accepts_id_tokens(&self) -> bool {
        !self.options.native_audiences.is_empty()
    }

    async fn verify_id_token(
        &self,
        token: &str,
        nonce: &str,
    ) -> Result<Option<ProviderProfile>, ProviderError> {
        let (options, now) = (&self.options, self.clock.now());
        let claims = self.checked(|known| verify::verify_native(options, known, token, nonce, now));
        let claims = claims.await?.valid().map_err(ProviderError::invalid_id_token)?;
        Ok(Some(profile(&self.options, &self.permitted(claims)?, &More::None)))
    }

    async fn end_session_url(
        &self,
        hint: Option<&str>,
        state: &str,
    ) -> Result<Option<String>, ProviderError> {
        let known = self.cache.get(self.clock.now()).await?;
        let Some(url) = &known.metadata.end_session_endpoint else { return Ok(None) };
        let mut pairs = vec![
            ("client_id", &*self.options.client_id),
            ("post_logout_redirect_uri", &self.signed_out),
            ("state", state),
        ];
        pairs.extend(hint.map(|token| ("id_token_hint", token)));
        Ok(Some(with_query(url, &form(&pairs))))
    }

    async fn verify_logout_token(
        &self,
        token: &str,
    ) -> Result<Option<ProviderLogout>, ProviderError> {
        let now = self.clock.now();
        let ended = self.checked(|known| logout::verify(&self.options, known, token, now));
        ended.await?.valid().map(Some).map_err(ProviderError::invalid_token)
    }

    fn receives_security_events(&self) -> bool {
        self.options.security_events
    }

    async fn verify_security_events(
        &self,
        token: &str,
        format: EventFormat,
    ) -> Result<Option<ProviderEvents>, ProviderError> {
        let (options, now) = (&self.options, self.clock.now());
        let events = self.verified(|known| events::verify(options, known, token, format, now));
        match events.await? {
            Ok(Ok(events)) => Ok(Some(events)),
            Ok(Err((rejection, cause))) => Err(ProviderError::rejected_events(rejection, cause)),
            Err(refusal) => {
                let rejection = events::rejection_of(&refusal);
                Err(ProviderError::rejected_events(rejection, refusal.to_string()))
            }
        }
    }
}

const USER_INFO: Expected =
    Expected { types: &["jwt", "jose"], is_type_required: false, kid_if_ambiguous: false };

fn with_query(url: &str, query: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{query}")
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcProvider").field("id", &self.options.id).finish_non_exhaustive()
    }
}
