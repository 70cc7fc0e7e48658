//! Bearer tokens of programs: API keys, and the tokens of flows outside this crate.

use std::{future::Future, pin::Pin, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{Core, credentials::CredentialUse};
use crate::{
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::AuthError,
    model::{ApiKey, ApiKeyId, KeyOwner, Session, SessionId, Transport, User, UserId},
    session::{AuthenticatedSession, KeyGrant},
};

/// The precision of the last use of a token.
const USED_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// Bearer tokens with a prefix, registered by
/// [`Registry::bearer`](crate::Registry::bearer).
///
/// ```
/// use authlayer::{
///     AuthError,
///     services::{BearerIdentity, BearerScheme, Credentials},
/// };
///
/// struct Robots {
///     tokens: Credentials<Vec<String>>,
/// }
///
/// impl BearerScheme for Robots {
///     async fn resolve(&self, lookup: &str) -> Result<Option<BearerIdentity>, AuthError> {
///         let Some(token) = self.tokens.find(lookup).await? else { return Ok(None) };
///         let robot = BearerIdentity::user(token.user_id.clone()).using(token.used());
///         Ok(Some(robot.scopes(token.data)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not resolve bearer tokens",
    note = "implement `authlayer::services::BearerScheme` for it"
)]
pub trait BearerScheme: Send + Sync + 'static {
    /// Returns the identity of a token, or `None` if it is unknown, expired or revoked. `lookup` is
    /// the hash of the token, as returned by [`BearerTokens::generate`].
    fn resolve(
        &self,
        lookup: &str,
    ) -> impl Future<Output = Result<Option<BearerIdentity>, AuthError>> + Send;
}

/// Generates the tokens of a prefix: 256 random bits with a checksum, as text that secret scanners
/// can recognize.
///
/// ```
/// # use authlayer::{AuthError, services::BearerTokens};
/// fn new_token(tokens: &BearerTokens) -> Result<(String, String), AuthError> {
///     let (token, lookup) = tokens.generate()?;
///     Ok((token.expose().to_owned(), lookup))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BearerTokens {
    prefix: &'static str,
}

impl BearerTokens {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix }
    }

    /// Returns a new token, which is shown once, and its lookup, which is stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the random source fails.
    pub fn generate(&self) -> Result<(TokenString, String), AuthError> {
        self.generate_digest().map(|(token, digest)| (token, digest.to_base64()))
    }

    /// Returns a new token and its hash.
    pub(crate) fn generate_digest(&self) -> Result<(TokenString, Digest), AuthError> {
        let token = OneTimeToken::random(TokenPurpose::Program(self.prefix))?;
        Ok((token.to_token(), token.digest()))
    }
}

/// The identity of a bearer token: a user or a service, with scopes.
///
/// ```
/// use authlayer::services::BearerIdentity;
///
/// let vacuum = BearerIdentity::service("vacuum").scopes(["clean".to_owned()]);
/// # let _ = vacuum;
/// ```
///
/// It has no roles and no verified factor, so rules that require a role, a factor or recent
/// authentication reject it, and so do the routes of this crate. Guards treat it as an API key:
/// [`AuthUser::api_key`](crate::AuthUser::api_key) returns it.
#[derive(Debug)]
#[must_use]
pub struct BearerIdentity {
    key: Found,
    /// The user, if it was fetched with the token.
    user: Option<User>,
    using: Option<CredentialUse>,
}

/// The stored token, or its values.
#[derive(Debug)]
enum Found {
    Key(Box<ApiKey>),
    Values { owner: KeyOwner, name: String, scopes: Vec<String>, expires_at: Option<Timestamp> },
}

impl BearerIdentity {
    /// Creates the identity of a user's token. A disabled or deleted user is not authenticated.
    pub fn user(id: UserId) -> Self {
        Self::of(KeyOwner::User(id))
    }

    /// Creates the identity of a service that is not a user.
    pub fn service(name: impl Into<String>) -> Self {
        Self::of(KeyOwner::Service(name.into()))
    }

    fn of(owner: KeyOwner) -> Self {
        let values =
            Found::Values { owner, name: String::new(), scopes: Vec::new(), expires_at: None };
        Self { key: values, user: None, using: None }
    }

    /// Creates the identity of an API key, with its user if it was fetched with the key.
    pub(crate) fn of_key(key: ApiKey, user: Option<User>) -> Self {
        Self { key: Found::Key(Box::new(key)), user, using: None }
    }

    /// Sets the scopes. A scope that the user does not have is ignored.
    pub fn scopes(mut self, all: impl IntoIterator<Item = String>) -> Self {
        match &mut self.key {
            Found::Key(key) => key.scopes = all.into_iter().collect(),
            Found::Values { scopes, .. } => *scopes = all.into_iter().collect(),
        }
        self
    }

    /// Sets the name of the token.
    pub fn name(mut self, text: impl Into<String>) -> Self {
        match &mut self.key {
            Found::Key(key) => key.name = text.into(),
            Found::Values { name, .. } => *name = text.into(),
        }
        self
    }

    /// Sets the time of expiry: from then on, the token is rejected.
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        match &mut self.key {
            Found::Key(key) => key.expires_at = Some(at),
            Found::Values { expires_at, .. } => *expires_at = Some(at),
        }
        self
    }

    /// Records the use of a credential after the request was authenticated, at most once in five
    /// minutes.
    pub fn using(mut self, used: CredentialUse) -> Self {
        self.using = Some(used);
        self
    }
}

/// The schemes that flows registered.
#[derive(Default)]
pub(crate) struct Bearers(pub(crate) Vec<(&'static str, Box<dyn AnyScheme>)>);

impl Bearers {
    /// Returns the registered prefix of a token.
    pub(crate) fn prefix_of(&self, token: &[u8]) -> Option<&'static str> {
        let own = self.0.iter().find(|(prefix, _)| token.starts_with(prefix.as_bytes()));
        own.map(|(prefix, _)| *prefix)
    }
}

type Resolving<'a> =
    Pin<Box<dyn Future<Output = Result<Option<BearerIdentity>, AuthError>> + Send + 'a>>;

/// The object-safe form of [`BearerScheme`].
pub(crate) trait AnyScheme: Send + Sync {
    fn resolve<'a>(&'a self, lookup: &'a str) -> Resolving<'a>;
}

impl<B: BearerScheme> AnyScheme for B {
    fn resolve<'a>(&'a self, lookup: &'a str) -> Resolving<'a> {
        Box::pin(BearerScheme::resolve(self, lookup))
    }
}

impl Core {
    /// Returns the user of a bearer token of a program, or `None` if the token is unknown or
    /// expired, or its user is disabled.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable); the error of the scheme.
    pub(crate) async fn resolve_bearer(
        &self,
        token: &OneTimeToken,
    ) -> Result<Option<Arc<AuthenticatedSession>>, AuthError> {
        let schemes = self.offered::<Bearers>();
        let scheme = schemes.and_then(|all| all.0.iter().find(|own| own.0 == token.prefix()));
        let Some((_, scheme)) = scheme else { return Ok(None) };
        let digest = token.digest();
        let Some(found) = scheme.resolve(&digest.to_base64()).await? else { return Ok(None) };
        let now = self.clock.now();
        let key = found.key.into_key(&digest);
        if key.expires_at.is_some_and(|end| now >= end) {
            return Ok(None);
        }
        let user = match (&key.owner, found.user) {
            (_, Some(user)) => Some(user),
            (KeyOwner::User(id), None) => self.users.find_user(id).await?,
            (KeyOwner::Service(name), None) => Some(User::new(UserId::new(name), key.created_at)),
        };
        let Some(user) = user.filter(User::is_active) else { return Ok(None) };
        if let Some(used) = found.using.filter(|used| !is_recorded(used.last_used_at(), now)) {
            self.record_use(used.at(now)?);
        }
        Ok(Some(Arc::new(authenticated(key, user))))
    }

    /// Records the use of a credential after the response.
    fn record_use(&self, using: crate::store::CredentialUpdate) {
        let credentials = Arc::clone(&self.credentials);
        tokio::spawn(async move {
            if let Err(error) = credentials.use_credential(&using).await {
                let credential = &using.credential;
                tracing::warn!(credential, cause = %error, "the use of a token was not recorded");
            }
        });
    }
}

impl Found {
    fn into_key(self, digest: &Digest) -> ApiKey {
        match self {
            Self::Key(key) => *key,
            Self::Values { owner, name, scopes, expires_at } => {
                let mut id = [0; SessionId::BYTES];
                id.iter_mut().zip(digest.as_bytes()).for_each(|(own, byte)| *own = *byte);
                ApiKey {
                    id: ApiKeyId::from_bytes(id),
                    owner,
                    name,
                    hint: String::new(),
                    scopes,
                    created_at: Timestamp::UNIX_EPOCH,
                    expires_at,
                    last_used_at: None,
                }
            }
        }
    }
}

/// Returns whether a use within [`USED_INTERVAL`] is recorded. A record further in the future was
/// made before the clock was set back.
pub(super) fn is_recorded(last: Option<Timestamp>, now: Timestamp) -> bool {
    let latest = now.checked_add(USED_INTERVAL).unwrap_or(Timestamp::MAX);
    last.is_some_and(|last| unless_after(now) < last && last <= latest)
}

/// Returns the time after which a recorded use is recent.
pub(super) fn unless_after(now: Timestamp) -> Timestamp {
    now.checked_sub(USED_INTERVAL).unwrap_or(Timestamp::MIN)
}

/// Returns the session of a token. It has scopes, but neither roles nor factors, so rules that
/// require a role, a factor or recent authentication reject it.
fn authenticated(key: ApiKey, user: User) -> AuthenticatedSession {
    let mut session =
        Session::new(key.id.as_session(), user.id.clone(), Transport::Bearer, key.created_at);
    let end = key.expires_at.unwrap_or(Timestamp::MAX);
    (session.expires_at, session.access_expires_at) = (end, end);
    (session.refresh_expires_at, session.last_seen_at) =
        (end, key.last_used_at.unwrap_or(key.created_at));
    let is_service = matches!(key.owner, KeyOwner::Service(_));
    let scopes = key.scopes.iter().filter(|scope| is_service || user.has_scope(scope));
    let scopes = scopes.cloned().collect();
    let mut user = user;
    let grant = KeyGrant {
        roles: std::mem::take(&mut user.roles),
        scopes: std::mem::replace(&mut user.scopes, scopes),
        key,
    };
    AuthenticatedSession::by_key(session, user, grant)
}
