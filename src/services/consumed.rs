//! Consumed challenges, and the owners of challenges.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Client, SignInOptions};
use crate::{
    crypto::digest::Digest,
    error::{AuthError, ErrorKind},
    model::UserId,
    session::AuthUser,
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
pub struct FreshUser(AuthUser);

impl FreshUser {
    pub(crate) fn new(user: AuthUser) -> Self {
        Self(user)
    }

    /// Returns the user with the session.
    pub fn auth(&self) -> &AuthUser {
        &self.0
    }
}

impl std::ops::Deref for FreshUser {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.0
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
    /// The digest of the secret of the browser that the link beside the code is bound to.
    pub(super) browser: Option<String>,
    return_to: Option<String>,
    pub(super) options: SignInOptions,
    pub(super) data: Value,
}

impl Stored {
    pub(super) fn new(client: &Client, owner: Owner<'_>, data: Value) -> Self {
        let session =
            |user: &AuthUser| Some((user.session().id.to_string(), user.session().renewals));
        let (session, is_fresh) = match owner.0 {
            Kind::Anyone | Kind::User(_) => (None, false),
            Kind::Session(user) => (session(user), false),
            Kind::Fresh(user) => (session(user), true),
        };
        let return_to = client.return_to().map(ToOwned::to_owned);
        let options = client.options();
        Self { session, is_fresh, options, return_to, data, ..Self::default() }
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
            .then(|| FreshUser::new(user.clone()))
    }
}

impl Owner<'_> {
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
}

impl<T: DeserializeOwned> Consumed<T> {
    pub(super) fn new(
        challenge: &Challenge,
        stored: Stored,
        user: Option<AuthUser>,
        client: &Client,
    ) -> Result<Self, AuthError> {
        let fresh = user.as_ref().and_then(|user| stored.fresh(user));
        client.restore(stored.options);
        client.restore_return_to(stored.return_to.as_deref());
        if stored.browser.is_some() {
            client.forget_mail(&mail_tag(&challenge.id));
        }
        Ok(Self {
            data: serde_json::from_value(stored.data).map_err(|_| ErrorKind::ChallengeExpired)?,
            recipient: stored.recipient.unwrap_or_default(),
            user_id: challenge.user_id.clone(),
            user,
            fresh,
        })
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
