//! The results of sign-ins and other verifications.

use std::{fmt, sync::Arc};

use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ChallengeHandle, Core};
use crate::{
    crypto::{handle::OneTimeToken, token::TokenString},
    model::{Session, Transport, User},
    session::IssuedTokens,
    store::CreateUserOutcome,
};

/// A challenge that a client must complete. It is not a session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pending {
    /// The handle, a secret of the client that started the operation.
    pub handle: TokenString,
    /// The methods that can complete it.
    pub methods: Vec<&'static str>,
    /// The time of expiry.
    pub expires_at: Timestamp,
    /// The time at which another message can be requested.
    pub resend_at: Option<Timestamp>,
}

/// The result of a sign-in or of a verification.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A session.
    Complete(Box<(User, IssuedTokens)>),
    /// A challenge: another verification is required.
    Pending(Pending),
}

impl Outcome {
    pub(crate) fn complete(user: User, issued: IssuedTokens) -> Self {
        Self::Complete(Box::new((user, issued)))
    }
}

/// The outcome of creating a user with a session.
#[must_use]
pub(crate) enum SignUpOutcome {
    /// Created: the user, and the session with its tokens.
    Created(Box<User>, Box<IssuedTokens>),
    /// No user was created.
    Rejected(CreateUserOutcome),
}

impl SignUpOutcome {
    /// Returns the user and the session, or the reason why there is none.
    pub(crate) fn created(self) -> Result<(User, IssuedTokens), CreateUserOutcome> {
        match self {
            Self::Created(user, issued) => Ok((*user, *issued)),
            Self::Rejected(outcome) => Err(outcome),
        }
    }
}

/// The result of a sign-in. As a response it is the JSON of the HTTP contract.
///
/// The two variants have no common accessor, so code that ignores the second factor does not
/// compile.
#[derive(Debug)]
#[must_use = "return it, or match it: a pending sign-in has no session"]
#[allow(
    clippy::exhaustive_enums,
    reason = "a third state would be a breaking change, and should be"
)]
pub enum SignInOutcome {
    /// A session was created.
    Complete(SignedIn),
    /// The sign-in requires another factor. There is no session.
    Pending(PendingChallenge),
}

/// A session that was created, or received new tokens.
///
/// As a response it is 200 (201 for a new user) with the user, the session, and for the bearer
/// transport the tokens. As a part of a response of the application it adds the cookies.
///
/// ```
/// use authlayer::SignedIn;
///
/// fn greet(signed_in: &SignedIn) -> String {
///     format!("Hello, {}!", signed_in.user().id)
/// }
/// ```
#[must_use = "the session's cookies are lost unless this is part of the response"]
pub struct SignedIn(pub(crate) Box<Begun>);

/// The content of a [`SignedIn`].
pub(crate) struct Begun {
    pub(crate) core: Arc<Core>,
    pub(crate) user: User,
    pub(crate) issued: IssuedTokens,
    pub(crate) device: Option<OneTimeToken>,
    pub(crate) is_new_user: bool,
    pub(crate) body: Option<(StatusCode, Map<String, Value>)>,
    pub(crate) return_to: Option<String>,
    /// Further cookies of the response.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// A challenge that an operation requires: there is no user and no session. It authenticates no
/// user.
///
/// ```
/// use authlayer::PendingChallenge;
///
/// fn can_use_passkey(pending: &PendingChallenge) -> bool {
///     pending.methods().contains(&"passkey")
/// }
/// ```
#[must_use = "the client needs the challenge to continue"]
pub struct PendingChallenge {
    pub(crate) challenge: ChallengeHandle,
    pub(crate) methods: Vec<&'static str>,
    pub(crate) expires_at: Timestamp,
    pub(crate) resend_at: Option<Timestamp>,
    pub(crate) options: Option<Value>,
    /// The cookies that bind a requested link to the browser, or remove that of a used one.
    pub(crate) cookies: Vec<HeaderValue>,
    pub(crate) core: Arc<Core>,
}

/// The tokens of a session with the bearer transport. `Debug` is redacted.
///
/// ```
/// use authlayer::Tokens;
///
/// fn authorization(tokens: &Tokens) -> String {
///     format!("{} {}", tokens.token_type, tokens.access_token)
/// }
/// ```
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// `Bearer`, or `DPoP` if the session is bound to a key of the client (RFC 9449).
    pub token_type: &'static str,
    /// The validity of the access token, in seconds.
    pub expires_in: u64,
    /// The refresh token.
    pub refresh_token: String,
    /// The validity of the refresh token unless it is used, in seconds.
    pub refresh_expires_in: u64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl SignedIn {
    pub(crate) fn new(core: Arc<Core>, user: User, issued: IssuedTokens) -> Self {
        Self(Box::new(Begun {
            core,
            user,
            issued,
            device: None,
            is_new_user: false,
            body: None,
            return_to: None,
            cookies: Vec::new(),
        }))
    }

    /// Returns the user.
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.0.issued.session
    }

    /// Returns `true` if this sign-in created the user.
    pub fn is_new_user(&self) -> bool {
        self.0.is_new_user
    }

    /// Returns the tokens of a session with the bearer transport, for a custom response.
    pub fn tokens(&self) -> Option<Tokens> {
        (self.0.issued.session.transport == Transport::Bearer).then(|| Tokens {
            access_token: self.0.issued.access.expose().to_owned(),
            token_type: self.0.issued.token_type(),
            expires_in: self.0.issued.access_expires_in().as_secs(),
            refresh_token: self.0.issued.refresh.expose().to_owned(),
            refresh_expires_in: self.0.issued.refresh_expires_in().as_secs(),
        })
    }

    /// Sets the status and the body of the response. The body is a JSON object, and the cookies or
    /// the member `tokens` are added to it; any other body is ignored.
    pub fn with_body(mut self, status: StatusCode, body: impl Serialize) -> Self {
        let members = match serde_json::to_value(body) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        self.0.body = Some((status, members));
        self
    }
}

impl SignInOutcome {
    /// Marks a session that the creation of its user began: the response is 201.
    pub(crate) fn of_new_user(mut self) -> Self {
        if let Self::Complete(signed_in) = &mut self {
            signed_in.0.is_new_user = true;
        }
        self
    }
}

impl PendingChallenge {
    pub(crate) fn new(core: &Arc<Core>, pending: Pending) -> Self {
        let Pending { handle, methods, expires_at, resend_at } = pending;
        let challenge = ChallengeHandle::new(handle.expose());
        let (options, cookies, core) = (None, Vec::new(), Arc::clone(core));
        Self { challenge, methods, expires_at, resend_at, options, cookies, core }
    }

    /// Returns the handle, a secret of the client that started the operation.
    pub fn challenge(&self) -> &ChallengeHandle {
        &self.challenge
    }

    /// Returns the names of the factors that can complete it, strongest first.
    pub fn methods(&self) -> &[&'static str] {
        &self.methods
    }

    /// Returns the time of expiry.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns the time at which another code can be requested, if the operation sends codes.
    pub fn resend_at(&self) -> Option<Timestamp> {
        self.resend_at
    }

    /// Returns the options of a prompted factor, such as those of a passkey.
    pub fn options(&self) -> Option<&Value> {
        self.options.as_ref()
    }
}

/// Redacted: tokens are secrets.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &self.0.user.id)
            .field("session", &self.session().id)
            .finish_non_exhaustive()
    }
}

/// Redacted: the handle is a secret.
impl fmt::Debug for PendingChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingChallenge").field("methods", &self.methods).finish_non_exhaustive()
    }
}
