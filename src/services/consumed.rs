//! Consumed challenges, and the owners of challenges.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Client, Core, SignInOptions};
use crate::{
    crypto::{
        digest::{Digest, Domain},
        random,
    },
    error::{AuthError, ErrorKind},
    model::{Email, Session, Thumbprint, Transport, UserId},
    session::{AuthUser, offered_key, same_key, unused_key},
    store::Challenge,
};

/// A user whose strongest factor was verified recently, on a session that still exists.
///
/// As an extractor of a registered route it responds with 403 `step_up_required` otherwise.
/// Consuming a challenge that was issued for a `FreshUser` returns it again.
///
/// ```
/// use authlayer::FreshUser;
///
/// async fn export(user: FreshUser) -> String {
///     format!("the data of {}", user.id)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FreshUser {
    user: AuthUser,
    /// The time of the recovery code that only allows to replace a factor.
    recovery: Option<Timestamp>,
}

impl FreshUser {
    pub(crate) fn new(user: AuthUser) -> Self {
        Self { user, recovery: None }
    }

    /// Creates the authority of a recovery code, which is limited to the replacement of one factor.
    pub(super) fn recovering(user: AuthUser, at: Timestamp) -> Self {
        Self { user, recovery: Some(at) }
    }

    pub(super) fn recovery(&self) -> Option<Timestamp> {
        self.recovery
    }

    /// Returns the user with the session.
    pub fn auth(&self) -> &AuthUser {
        &self.user
    }
}

impl std::ops::Deref for FreshUser {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.user
    }
}

/// The user or session that can consume a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Anyone,
    User(&'a UserId),
    Session(&'a AuthUser),
    Fresh(&'a FreshUser),
}

impl Owner<'_> {
    /// Anyone who has the handle.
    pub const ANYONE: Owner<'static> = Owner(Kind::Anyone);
}

/// Any client that has the handle. The challenge is deleted together with all pending challenges of
/// the user, for example after a password change.
impl<'a> From<&'a UserId> for Owner<'a> {
    fn from(user: &'a UserId) -> Self {
        Self(Kind::User(user))
    }
}

/// The session only.
impl<'a> From<&'a AuthUser> for Owner<'a> {
    fn from(user: &'a AuthUser) -> Self {
        Self(Kind::Session(user))
    }
}

/// The session only; consuming the challenge returns a [`FreshUser`] while the session exists.
impl<'a> From<&'a FreshUser> for Owner<'a> {
    fn from(user: &'a FreshUser) -> Self {
        Self(Kind::Fresh(user))
    }
}

/// The data that a challenge stores in addition to that of its flow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stored {
    pub(super) recipient: Option<String>,
    pub(super) is_decoy: bool,
    pub(super) locale: Option<String>,
    /// The session that can consume it, with the number of its renewals.
    session: Option<(String, u32)>,
    is_fresh: bool,
    /// The time of the recovery code, if it was fresh only by one.
    recovery: Option<Timestamp>,
    /// The digest of the secret of the browser that the link beside the code is bound to.
    pub(super) browser: Option<String>,
    /// The digest of the secret of the only browser that can consume it.
    pub(super) bound_to: Option<String>,
    /// Whether the recipient is an email address, to which the challenge was sent.
    pub(super) is_email: bool,
    /// A message in place of the code of a decoy.
    pub(super) notice: Option<Value>,
    return_to: Option<String>,
    pub(super) options: SignInOptions,
    /// The key that the request offered for its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    jkt: Option<Thumbprint>,
    pub(super) data: Value,
}

impl Stored {
    pub(super) fn new(client: &Client, owner: Owner<'_>, data: Value) -> Self {
        Self::of(owner, data).requested_by(client)
    }

    pub(super) fn of(owner: Owner<'_>, data: Value) -> Self {
        Self { data, ..Self::default() }.owned_by(owner)
    }

    /// Sets the session that can consume the challenge.
    pub(super) fn owned_by(self, owner: Owner<'_>) -> Self {
        let session =
            |user: &AuthUser| Some((user.session().id.to_string(), user.session().renewals));
        let (session, is_fresh, recovery) = match owner.0 {
            Kind::Anyone | Kind::User(_) => (None, false, None),
            Kind::Session(user) => (session(user), false, None),
            Kind::Fresh(user) => (session(user), true, user.recovery),
        };
        Self { session, is_fresh, recovery, ..self }
    }

    /// Sets what the request specified for the rest of the operation.
    pub(super) fn requested_by(self, client: &Client) -> Self {
        let return_to = client.return_to().map(ToOwned::to_owned);
        let locale = self.locale.or_else(|| client.info().language.clone());
        // A proof that is not valid is rejected when the request begins a sign-in.
        let jkt = offered_key(Transport::Bearer).ok().flatten();
        Self { return_to, options: client.options(), locale, jkt, ..self }
    }

    /// Requires that a request which continues a sign-in with bearer tokens offers the key that its
    /// first request offered, by a proof that was not used. It is called before the challenge is consumed.
    pub(super) async fn require_same_key(
        &self,
        core: &Core,
        client: &Client,
    ) -> Result<(), AuthError> {
        if self.session.is_some() {
            return Ok(());
        }
        let transport = client.options().transport.or(self.options.transport);
        match core.sessions.options().resolve_transport(transport)? {
            Transport::Bearer => {
                same_key(Transport::Bearer, self.jkt)?;
                unused_key(Transport::Bearer).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Returns `true` if both challenges have the same session, or none.
    pub(super) fn has_session_of(&self, other: &Self) -> bool {
        let id = |own: &Self| own.session.as_ref().map(|(id, _)| id.clone());
        id(self) == id(other)
    }

    pub(super) fn read(challenge: &Challenge) -> Result<Self, AuthError> {
        serde_json::from_value(challenge.data.clone())
            .map_err(|_| ErrorKind::ChallengeExpired.into())
    }

    pub(super) fn to_value(&self) -> Value {
        json!(self)
    }

    /// Returns the user of the session that can consume the challenge, if the request has that
    /// session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthenticated`] without it.
    pub(super) async fn session_user(
        &self,
        client: &Client,
    ) -> Result<Option<AuthUser>, AuthError> {
        let Some((id, _)) = &self.session else { return Ok(None) };
        let user = client.context().signed_in().await?;
        let user = user.filter(|user| user.session().id.to_string() == *id);
        user.map(Some).ok_or_else(|| ErrorKind::Unauthenticated.into())
    }

    /// Returns the user with the freshness of the time when the challenge was issued. It is lost if
    /// the session has received new tokens since.
    fn fresh(&self, user: &AuthUser) -> Option<FreshUser> {
        let (_, renewals) = self.session.as_ref()?;
        (self.is_fresh && *renewals == user.session().renewals)
            .then(|| FreshUser { user: user.clone(), recovery: self.recovery })
    }
}

impl Owner<'_> {
    pub(super) fn session(&self) -> Option<&Session> {
        match self.0 {
            Kind::Anyone | Kind::User(_) => None,
            Kind::Session(user) => Some(user.session()),
            Kind::Fresh(user) => Some(user.session()),
        }
    }

    pub(super) fn user_id(&self) -> Option<UserId> {
        match self.0 {
            Kind::Anyone => None,
            Kind::User(id) => Some(id.clone()),
            Kind::Session(user) => Some(user.user().id.clone()),
            Kind::Fresh(user) => Some(user.user().id.clone()),
        }
    }
}

/// A challenge that was consumed. Only consuming one creates this type.
#[must_use]
pub struct Consumed<T> {
    data: T,
    recipient: String,
    user_id: Option<UserId>,
    user: Option<AuthUser>,
    fresh: Option<FreshUser>,
    is_email: bool,
    secrets: Secrets,
}

/// The secrets of a challenge that only its client has: the handle, and the secret of the browser.
pub(super) struct Secrets(Zeroizing<Vec<u8>>);

impl Secrets {
    pub(super) fn new(handle: &str, browser: Option<&str>) -> Self {
        let mut all = Zeroizing::new(handle.as_bytes().to_vec());
        all.push(0);
        all.extend_from_slice(browser.unwrap_or_default().as_bytes());
        Self(all)
    }

    /// Creates secrets that no challenge has, for one that was consumed without its handle.
    pub(super) fn random() -> Result<Self, AuthError> {
        Ok(Self(Zeroizing::new(random::bytes::<32>()?.to_vec())))
    }

    pub(super) fn derive(&self, label: &str) -> [u8; 32] {
        let mut bytes = Zeroizing::new(label.as_bytes().to_vec());
        bytes.push(0);
        bytes.extend_from_slice(&self.0);
        *Digest::hash(Domain::DERIVED, &bytes).as_bytes()
    }
}

/// Redacted.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl<T: DeserializeOwned> Consumed<T> {
    pub(super) fn new(
        challenge: &Challenge,
        stored: Stored,
        user: Option<AuthUser>,
        secrets: Secrets,
    ) -> Result<Self, AuthError> {
        let fresh = user.as_ref().and_then(|user| stored.fresh(user));
        Ok(Self {
            data: serde_json::from_value(stored.data).map_err(|_| ErrorKind::ChallengeExpired)?,
            recipient: stored.recipient.unwrap_or_default(),
            user_id: challenge.user_id.clone(),
            user,
            fresh,
            is_email: stored.is_email,
            secrets,
        })
    }
}

impl Stored {
    /// Restores, for the rest of the request, what the request that issued the challenge specified.
    pub(super) fn restore(&self, challenge: &Challenge, client: &Client) {
        client.restore(self.options.clone());
        client.restore_return_to(self.return_to.as_deref());
        if self.browser.is_some() {
            client.forget_mail(&mail_tag(&challenge.id));
        }
    }
}

impl<T> Consumed<T> {
    /// Returns the data that the flow stored.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// Returns the recipient of the code, which is now verified; empty for a challenge without a
    /// code.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Returns the email address that the challenge was sent to, which is now verified.
    pub(super) fn verified_email(&self) -> Option<Email> {
        self.is_email.then(|| Email::parse(&self.recipient).ok()).flatten()
    }

    /// Derives a secret from the handle and from the secret of the browser, as
    /// [`IssuedToken::derive`](super::IssuedToken::derive) did when the challenge was issued. A
    /// challenge that was consumed without its handle has another secret.
    ///
    /// ```
    /// use authlayer::services::Consumed;
    ///
    /// fn nonce(state: &Consumed<String>) -> [u8; 32] {
    ///     state.derive("nonce")
    /// }
    /// ```
    pub fn derive(&self, label: &'static str) -> [u8; 32] {
        self.secrets.derive(label)
    }

    /// Returns the user that the challenge was issued for.
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    /// Returns the user of the session that the challenge was issued for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthenticated`] for a challenge without a session.
    pub fn session_user(&self) -> Result<AuthUser, AuthError> {
        self.user.clone().ok_or_else(|| ErrorKind::Unauthenticated.into())
    }

    /// Returns the freshness that the challenge was issued with.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] if it was issued without a `FreshUser`, or the session has
    /// received new tokens since, for example by a step-up.
    pub fn fresh_user(&self) -> Result<FreshUser, AuthError> {
        // The operation has to start again, and no factor can replace that.
        self.fresh.clone().ok_or_else(|| {
            let none: Vec<String> = Vec::new();
            AuthError::new(ErrorKind::StepUpRequired).with_extension("methods", none)
        })
    }
}

impl<T> fmt::Debug for Consumed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumed").field("user", &self.user_id).finish_non_exhaustive()
    }
}

/// Returns the end of the name of the cookie that binds a link to the browser.
pub(super) fn mail_tag(challenge: &Digest) -> String {
    challenge.to_base64().chars().take(8).collect()
}
