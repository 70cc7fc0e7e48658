//! What is proved once, at rest.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{Email, SessionId, UserId, name},
};

/// What a challenge is for; a secret of one kind is no secret of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeKind {
    /// A sign-up whose address is still to be proved; the challenge holds it.
    SignUp,
    /// A sign-in that still wants a code.
    SignIn,
    /// A change of password that still wants a code.
    PasswordChange,
    /// A change of address: the code goes to the new one.
    EmailChange,
    /// The link by which the former address takes such a change back.
    EmailUndo,
    /// A step-up of a session by a code.
    StepUp,
    /// A link to set a new password.
    Reset,
    /// A device that need not give a code.
    Device,
    /// A device that was seen before.
    Seen,
    /// A sign-in or a link that goes by way of a provider.
    OAuth,
    /// A sign-in by a provider that a native application takes with a code.
    Exchange,
    /// What ends a session at its provider too.
    LogoutHint,
    /// A token by which a provider ended sessions; it is taken once.
    LogoutToken,
    /// A ticket that opens one live connection.
    Ticket,
    /// A passkey that is being registered.
    PasskeyRegistration,
    /// A sign-up with a passkey.
    PasskeySignUp,
    /// A sign-in by a passkey.
    PasskeySignIn,
    /// A proof by a passkey, of a session or for a pending sign-in.
    PasskeyProof,
    /// A kind that a flow outside this crate has registered.
    Custom(&'static str),
    /// A kind that no flow of this process has registered, or only a newer version knows. Its
    /// secret is none of any other kind.
    Other,
}

impl ChallengeKind {
    const ALL: [Self; 18] = [
        Self::SignUp,
        Self::SignIn,
        Self::PasswordChange,
        Self::EmailChange,
        Self::EmailUndo,
        Self::StepUp,
        Self::Reset,
        Self::Device,
        Self::Seen,
        Self::OAuth,
        Self::Exchange,
        Self::LogoutHint,
        Self::LogoutToken,
        Self::Ticket,
        Self::PasskeyRegistration,
        Self::PasskeySignUp,
        Self::PasskeySignIn,
        Self::PasskeyProof,
    ];

    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::SignIn => "sign_in",
            Self::PasswordChange => "password_change",
            Self::EmailChange => "email_change",
            Self::EmailUndo => "email_undo",
            Self::StepUp => "step_up",
            Self::Reset => "reset",
            Self::Device => "device",
            Self::Seen => "seen",
            Self::OAuth => "oauth",
            Self::Exchange => "exchange",
            Self::LogoutHint => "logout_hint",
            Self::LogoutToken => "logout_token",
            Self::Ticket => "ticket",
            Self::PasskeyRegistration => "passkey_registration",
            Self::PasskeySignUp => "passkey_sign_up",
            Self::PasskeySignIn => "passkey_sign_in",
            Self::PasskeyProof => "passkey_proof",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }

    /// The kind of a name that this version knows.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        built_in.or_else(|| name::registered(name).map(Self::Custom))
    }
}

/// Something that is proved once, by whoever holds its handle.
///
/// A dump of these rows is good for nothing: the id is the hash of the handle, 256 random
/// bits that only the client holds, and the hash of a code cannot be searched without it.
#[derive(Clone)]
pub struct Challenge {
    /// The hash of the handle.
    pub id: Digest,
    /// What it is for.
    pub kind: ChallengeKind,
    /// Whose it is, if it is somebody's.
    pub user_id: Option<UserId>,
    /// The address that the proof is sent to.
    pub address: Option<Email>,
    /// The hash of handle and code.
    pub code: Option<Digest>,
    /// How often it may still be tried.
    pub tries: u32,
    /// What its kind keeps.
    pub data: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The data of a sign-up holds a password hash.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("kind", &self.kind)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// Challenges at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait ChallengeStore: Sealed + Send + Sync + 'static {
    /// Inserts a challenge. Returns `false`, and writes nothing, if its id is taken or its user
    /// does not exist.
    async fn insert_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError>;

    /// Inserts a challenge of a user, or replaces the one of the same id, expired or not, in one
    /// atomic step. Returns `false`, and writes nothing, if its user does not exist.
    async fn put_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError>;

    /// The challenge of this id, unless it has ended.
    async fn find_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Takes one of the tries that are left, and answers with the challenge; `None` when it
    /// has none left or has ended. What is counted stays counted.
    async fn try_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Takes the challenge away, if a code is given only while that is its code; of any number
    /// of simultaneous callers one gets it.
    async fn take_challenge(
        &self,
        id: &Digest,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError>;

    /// Replaces the code; answers whether the challenge still stands. Tries stay as they are.
    async fn replace_code(
        &self,
        id: &Digest,
        code: &Digest,
        made_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the data of a challenge if they still are `expected`, and the code if one is given.
    /// Returns whether they were replaced. Tries stay as they are.
    async fn replace_data(
        &self,
        id: &Digest,
        expected: &Value,
        data: &Value,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Inserts a challenge of a user if this session of the user exists, or extends the challenge
    /// with the same id. Returns whether the challenge is new. A caller that ends the session and
    /// then deletes challenges deletes this one too. [`ChallengeKind::Seen`] is counted as
    /// background work.
    async fn insert_of_session(
        &self,
        challenge: &Challenge,
        session: SessionId,
    ) -> Result<bool, StoreError>;

    /// The challenges of a user that are of this kind.
    async fn list_challenges(
        &self,
        user: &UserId,
        kind: ChallengeKind,
    ) -> Result<Vec<Challenge>, StoreError>;

    /// Removes at most `batch` challenges that have ended; answers how many. Counted as
    /// background work.
    async fn sweep_challenges(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
