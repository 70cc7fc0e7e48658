//! Storage of challenges: pending verifications and other single-use secrets.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{Email, SessionId, UserId, name},
};

/// The purpose of a challenge. A secret for one kind is not accepted for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeKind {
    /// A sign-up whose email address is not yet verified; the challenge contains the address.
    SignUp,
    /// A sign-in that requires a code.
    SignIn,
    /// A change of password that requires a code.
    PasswordChange,
    /// A change of email address; the code is sent to the new one.
    EmailChange,
    /// The link, sent to the previous email address, that undoes such a change.
    EmailUndo,
    /// A step-up of a session with a code.
    StepUp,
    /// A link to set a new password.
    Reset,
    /// A remembered device, which does not require a code.
    TrustedDevice,
    /// A device that the user has signed in from.
    KnownDevice,
    /// A sign-in at an identity provider, or the linking of one.
    OAuth,
    /// A completed provider sign-in that a native application exchanges for tokens.
    Exchange,
    /// The nonce of an ID token that a native application gets from a provider.
    ProviderNonce,
    /// The hint that ends the session at the provider too.
    LogoutHint,
    /// A used logout token of a provider, which is not accepted again.
    LogoutToken,
    /// A single-use ticket that opens one live connection.
    Ticket,
    /// The registration of a passkey.
    PasskeyRegistration,
    /// A sign-up with a passkey.
    PasskeySignUp,
    /// A sign-in with a passkey.
    PasskeySignIn,
    /// An authentication with a passkey, for a step-up or for a pending sign-in.
    PasskeyProof,
    /// The enrollment of an authenticator app.
    TotpRegistration,
    /// The use of a recovery code to replace a factor, once per session.
    RecoveryUse,
    /// A link that is sent together with the code of another challenge.
    CodeLink,
    /// The code that begins an account recovery.
    RecoveryRequest,
    /// An account recovery. Its handle is the link that stops it, `tries` is the rank of the
    /// strength that it waives, and `code` is set once the user was notified that it is available.
    Recovery,
    /// A program that asks for a session of a user (RFC 8628). Its handle is the device code.
    DeviceCode,
    /// The same request, until the user decides. Its handle is the code that the user types.
    UserCode,
    /// An approved request, until the program gets its session.
    DeviceApproval,
    /// A processed Security Event Token of a provider.
    SecurityEvent,
    /// An identity that its provider barred. It is not deleted with a user.
    BarredIdentity,
    /// A kind that a flow outside this crate registered.
    Custom(&'static str),
    /// A kind that no flow of this process registered, or only a newer version knows. Its secret is
    /// not accepted for any other kind.
    Other,
}

impl ChallengeKind {
    const ALL: [Self; 29] = [
        Self::SignUp,
        Self::SignIn,
        Self::PasswordChange,
        Self::EmailChange,
        Self::EmailUndo,
        Self::StepUp,
        Self::Reset,
        Self::TrustedDevice,
        Self::KnownDevice,
        Self::OAuth,
        Self::Exchange,
        Self::ProviderNonce,
        Self::LogoutHint,
        Self::LogoutToken,
        Self::Ticket,
        Self::PasskeyRegistration,
        Self::PasskeySignUp,
        Self::PasskeySignIn,
        Self::PasskeyProof,
        Self::TotpRegistration,
        Self::RecoveryUse,
        Self::CodeLink,
        Self::RecoveryRequest,
        Self::Recovery,
        Self::DeviceCode,
        Self::UserCode,
        Self::DeviceApproval,
        Self::SecurityEvent,
        Self::BarredIdentity,
    ];

    /// Returns the name of the kind in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::SignIn => "sign_in",
            Self::PasswordChange => "password_change",
            Self::EmailChange => "email_change",
            Self::EmailUndo => "email_undo",
            Self::StepUp => "step_up",
            Self::Reset => "reset",
            Self::TrustedDevice => "device",
            Self::KnownDevice => "seen",
            Self::OAuth => "oauth",
            Self::Exchange => "exchange",
            Self::ProviderNonce => "provider_nonce",
            Self::LogoutHint => "logout_hint",
            Self::LogoutToken => "logout_token",
            Self::Ticket => "ticket",
            Self::PasskeyRegistration => "passkey_registration",
            Self::PasskeySignUp => "passkey_sign_up",
            Self::PasskeySignIn => "passkey_sign_in",
            Self::PasskeyProof => "passkey_proof",
            Self::TotpRegistration => "totp_registration",
            Self::RecoveryUse => "recovery_use",
            Self::CodeLink => "code_link",
            Self::RecoveryRequest => "recovery_request",
            Self::Recovery => "recovery",
            Self::DeviceCode => "device_code",
            Self::UserCode => "user_code",
            Self::DeviceApproval => "device_approval",
            Self::SecurityEvent => "security_event",
            Self::BarredIdentity => "barred_identity",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }

    /// Returns the kind with this name, if this process knows it.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        built_in.or_else(|| name::registered(name).map(Self::Custom))
    }
}

/// A challenge: a pending operation that the holder of a secret handle can complete once.
///
/// A copy of these rows reveals no secret: the id is the hash of the handle, 256 random bits that
/// only the client has, and the hash of a code cannot be searched without the handle.
#[derive(Clone)]
pub struct Challenge {
    /// The hash of the handle.
    pub id: Digest,
    /// The purpose.
    pub kind: ChallengeKind,
    /// The user, if it belongs to one.
    pub user_id: Option<UserId>,
    /// The email address that the code or link is sent to.
    pub address: Option<Email>,
    /// The hash of handle and code.
    pub code: Option<Digest>,
    /// The number of remaining attempts.
    pub tries: u32,
    /// Data of the flow.
    pub data: Value,
    /// The time of creation, or of the last code.
    pub created_at: Timestamp,
    /// The time of expiry.
    pub expires_at: Timestamp,
}

impl Challenge {
    /// Creates a challenge of no user and without a code, which one attempt consumes.
    pub(crate) fn new(
        kind: ChallengeKind,
        id: Digest,
        data: Value,
        (created_at, expires_at): (Timestamp, Timestamp),
    ) -> Self {
        let (user_id, address, code) = (None, None, None);
        Self { id, kind, user_id, address, code, tries: 1, data, created_at, expires_at }
    }
}

/// Redacted: the data of a sign-up contains a password hash.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("kind", &self.kind)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// Storage of challenges.
///
/// This trait is sealed.
#[async_trait]
pub trait ChallengeStore: Sealed + Send + Sync + 'static {
    /// Inserts a challenge. Returns `false`, and writes nothing, if its id exists already or its
    /// user does not exist.
    async fn insert_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError>;

    /// Inserts a challenge of a user, or replaces the one of the same id, expired or not, in one
    /// atomic step. Returns `false`, and writes nothing, if its user does not exist.
    async fn put_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError>;

    /// Returns the challenge with this id, unless it has expired.
    async fn find_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Uses one of the remaining attempts and returns the challenge. Returns `None` if no attempt
    /// is left or the challenge has expired. A used attempt is never restored.
    async fn try_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Deletes and returns the challenge. If `code` is given, it must equal the stored one. Of
    /// concurrent callers only one receives the challenge.
    async fn take_challenge(
        &self,
        id: &Digest,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Replaces the code if the challenge is unexpired and its last code is of `made_at`. Returns
    /// whether it was replaced. The number of attempts does not change.
    async fn replace_code(
        &self,
        id: &Digest,
        code: &Digest,
        made_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the data of a challenge if they still are `expected`, and the code if one is given.
    /// Returns whether they were replaced. The number of attempts does not change.
    async fn replace_data(
        &self,
        id: &Digest,
        expected: &Value,
        data: &Value,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Like [`replace_data`](Self::replace_data), and makes the challenge one of this user.
    async fn assign_data(
        &self,
        id: &Digest,
        expected: &Value,
        data: &Value,
        user: &UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Inserts a challenge of a user if this session of the user exists, or extends the challenge
    /// with the same id. Returns whether the challenge is new. A caller that ends the session and
    /// then deletes challenges deletes this one too. [`ChallengeKind::KnownDevice`] is counted as
    /// background work.
    async fn insert_of_session(
        &self,
        challenge: &Challenge,
        session: SessionId,
    ) -> Result<bool, StoreError>;

    /// Returns the challenges of this kind of a user.
    async fn list_challenges(
        &self,
        user: &UserId,
        kind: ChallengeKind,
    ) -> Result<Vec<Challenge>, StoreError>;

    /// Returns at most `at_most` challenges of this kind that have no code and expire after `from`,
    /// until `to`. Counted as background work.
    ///
    /// ```
    /// # use authlayer::{jiff::Timestamp, store::{Challenge, ChallengeKind, ChallengeStore, StoreError}};
    /// async fn recoveries(
    ///     store: &dyn ChallengeStore,
    ///     (from, to): (Timestamp, Timestamp),
    /// ) -> Result<Vec<Challenge>, StoreError> {
    ///     store.list_expiring(ChallengeKind::Recovery, from, to, 500).await
    /// }
    /// ```
    async fn list_expiring(
        &self,
        kind: ChallengeKind,
        from: Timestamp,
        to: Timestamp,
        at_most: u32,
    ) -> Result<Vec<Challenge>, StoreError>;

    /// Ends the account recoveries of a user that waive a strength of at most this rank. The links
    /// that stop them stay valid. Counted as background work.
    ///
    /// ```
    /// # use authlayer::{UserId, store::{ChallengeStore, StoreError}};
    /// async fn end(store: &dyn ChallengeStore, user: &UserId) -> Result<(), StoreError> {
    ///     store.end_recoveries(user, u32::MAX).await
    /// }
    /// ```
    async fn end_recoveries(&self, user: &UserId, rank: u32) -> Result<(), StoreError>;

    /// Deletes at most `batch` expired challenges, and returns how many. Counted as background
    /// work.
    async fn sweep_challenges(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
