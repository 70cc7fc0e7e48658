//! An OpenID provider, without HTTP.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Oidc,
    client::{Tokens, redeem, user_info},
    logout,
    metadata::{Cache, Known},
    verify::{self, Refusal},
};
use crate::{
    auth::Core,
    clock::Clock,
    crypto::handle::{Handle, HandleKind},
    error::{AuthError, ErrorKind},
    identity::{Ended, Profile, Provider, Request, Rules},
    outbound::{Wire, form, trouble},
};

/// How far the clocks of two machines may be apart.
const STEP_UP_LEEWAY: SignedDuration = SignedDuration::from_secs(60);

pub(super) struct OidcProvider {
    options: Oidc,
    cache: Cache,
    wire: Wire,
    clock: Arc<dyn Clock>,
    signed_out: String,
}

impl OidcProvider {
    pub(super) fn new(mut options: Oidc, core: &Core) -> Result<Self, String> {
        let wire = Wire::new(options.knobs.client.clone(), &options.issuer)?;
        let cache = Cache::new(&options.issuer, options.endpoints.take(), wire.clone())?;
        let signed_out =
            format!("{}{}/oauth/{}/signed-out", core.origins.first(), core.mount, options.id);
        Ok(Self { options, cache, wire, clock: Arc::clone(&core.clock), signed_out })
    }

    /// Checks a token against the keys that are known, and where its key is not among them
    /// against those that are there now.
    async fn checked<T>(
        &self,
        check: impl Fn(&Known) -> Result<T, Refusal>,
    ) -> Result<Result<T, String>, AuthError> {
        let now = self.clock.now();
        let known = self.cache.get(now).await?;
        let mut result = check(&known);
        if matches!(result, Err(Refusal::UnknownKey)) {
            result = check(&self.cache.get_again(now, &known).await?);
        }
        Ok(result.map_err(|refusal| match refusal {
            Refusal::UnknownKey => "no key of the provider fits the signature".to_owned(),
            Refusal::Bad(text) => text,
        }))
    }

    fn profile(&self, claims: &Map<String, Value>) -> Profile {
        let names = &self.options.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let vouched = claims.get(&names.email_verified) == Some(&Value::Bool(true));
        let proved_at = auth_time(claims).filter(|_| self.options.max_age.is_some());
        Profile {
            subject: text("sub").unwrap_or_default(),
            email: text(&names.email),
            email_verified: vouched || self.options.trust_email,
            username: text(&names.username),
            display_name: text(&names.name),
            avatar_url: text(&names.picture),
            locale: text(&names.locale),
            proved_at,
            session: text("sid"),
            id_token: None,
        }
    }
}

#[async_trait]
impl Provider for OidcProvider {
    fn id(&self) -> &str {
        &self.options.id
    }

    fn issuer(&self) -> &str {
        &self.options.issuer
    }

    fn rules(&self) -> &Rules {
        &self.options.knobs.rules
    }

    fn proves_time(&self) -> bool {
        true
    }

    fn sets_max_age(&self) -> bool {
        self.options.max_age.is_some()
    }

    async fn authorization_url(&self, request: &Request) -> Result<String, AuthError> {
        let known = self.cache.get(self.clock.now()).await?;
        let scope = self.options.scopes.join(" ");
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&*request.verifier));
        // A step-up asks for a new authentication, whatever the flow asks of a sign-in.
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
        pairs.extend(self.options.parameters.iter().map(|(name, value)| (&**name, &**value)));
        Ok(with_query(&known.metadata.authorization_endpoint, &form(&pairs)))
    }

    async fn check_issuer(&self, iss: Option<&str>) -> Result<(), AuthError> {
        let promised = match iss {
            Some(iss) if iss == self.options.issuer => return Ok(()),
            Some(_) => true,
            None => {
                let known = self.cache.get(self.clock.now()).await?;
                known.metadata.authorization_response_iss_parameter_supported
            }
        };
        if promised { Err(ErrorKind::InvalidState.into()) } else { Ok(()) }
    }

    async fn redeem(&self, code: &str, request: &Request) -> Result<Profile, AuthError> {
        let known = self.cache.get(self.clock.now()).await?;
        let tokens: Tokens =
            redeem(&self.wire, &self.options, &known.metadata, code, request).await?;
        // The time of a step-up is checked against its beginning instead.
        let max_age = self.options.max_age.filter(|_| request.step_up.is_none());
        let options = Oidc { max_age, ..self.options.clone() };
        let claims = self.checked(|known| {
            verify::verify(&options, &known.keys, &tokens, &request.nonce, self.clock.now())
        });
        let mut claims = claims.await?.map_err(trouble)?;
        let stepped_up = match request.step_up {
            None => None,
            Some(begun) => Some(self.authenticated_since(begun, &claims)?),
        };
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(url) =
            known.metadata.userinfo_endpoint.as_ref().filter(|_| self.options.user_info)
        {
            for (name, value) in user_info(&self.wire, url, &tokens, &subject).await? {
                if !SIGNED.contains(&name.as_str()) {
                    claims.insert(name, value);
                }
            }
        }
        let mut profile = self.profile(&claims);
        profile.proved_at = stepped_up.or(profile.proved_at);
        profile.id_token = self.options.keep_id_token.then(|| Zeroizing::new(tokens.id));
        Ok(profile)
    }

    async fn end_session_url(&self, hint: Option<&str>) -> Result<Option<String>, AuthError> {
        let known = self.cache.get(self.clock.now()).await?;
        let Some(url) = &known.metadata.end_session_endpoint else { return Ok(None) };
        let state = Handle::random(HandleKind::Flow)?.to_plain();
        let mut pairs = vec![
            ("client_id", &*self.options.client_id),
            ("post_logout_redirect_uri", &self.signed_out),
            ("state", state.expose()),
        ];
        pairs.extend(hint.map(|token| ("id_token_hint", token)));
        Ok(Some(with_query(url, &form(&pairs))))
    }

    async fn read_logout(&self, token: &str) -> Result<Option<Ended>, AuthError> {
        let now = self.clock.now();
        let ended = self.checked(|known| logout::verify(&self.options, &known.keys, token, now));
        match ended.await? {
            Ok(ended) => Ok(Some(ended)),
            Err(cause) => Err(AuthError::new(ErrorKind::InvalidRequest).because(cause)),
        }
    }
}

/// When the user authenticated at the provider, as an ID token says.
fn auth_time(claims: &Map<String, Value>) -> Option<Timestamp> {
    let seconds = claims.get("auth_time").and_then(Value::as_f64)?;
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

/// What only the ID token may say.
const SIGNED: &[&str] = &["sub", "iss", "aud", "sid", "auth_time", "nonce", "azp"];

fn with_query(url: &str, query: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{query}")
}

impl OidcProvider {
    /// The time of an authentication that took place since a step-up began.
    fn authenticated_since(
        &self,
        begun: Timestamp,
        claims: &Map<String, Value>,
    ) -> Result<Timestamp, AuthError> {
        let at = auth_time(claims).ok_or_else(|| trouble("a step-up without auth_time"))?;
        let (earliest, latest) = (begun - STEP_UP_LEEWAY, self.clock.now() + STEP_UP_LEEWAY);
        if at < earliest || at > latest {
            return Err(trouble("a step-up without a new authentication"));
        }
        Ok(at)
    }
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcProvider").field("id", &self.options.id).finish_non_exhaustive()
    }
}
