//! The parts that flows of this crate provide to the services.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use crate::{
    error::AuthError,
    mail::{MessageKind, MessageText},
    model::User,
};

/// The operations that require an email code, and the options of codes.
#[derive(Clone, Debug)]
pub(crate) struct CodePolicy {
    pub(crate) sign_up: bool,
    pub(crate) sign_in: bool,
    pub(crate) change: bool,
    pub(crate) digits: u32,
    pub(crate) lifetime: Duration,
    pub(crate) interval: Duration,
    pub(crate) tries: u32,
    pub(crate) remember: Duration,
}

/// The user of a new password.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PasswordOf<'a> {
    /// A user who has no factor beside it: a new one, or one whose factors are deleted.
    New(&'a User),
    /// A user who may have second factors.
    Existing(&'a User),
}

impl PasswordOf<'_> {
    pub(crate) fn user(&self) -> &User {
        let (Self::New(user) | Self::Existing(user)) = self;
        user
    }
}

/// The requirements for new passwords, for the pages that ask for one.
#[derive(Clone, Debug)]
pub(crate) struct PasswordRequirements {
    /// The minimum length in characters.
    pub(crate) min_length: usize,
    /// The minimum length of a password that is the only factor.
    pub(crate) min_length_alone: usize,
    pub(crate) max_length: usize,
    /// The classes of characters that are required, by their names in `passwordrules`.
    pub(crate) classes: Vec<&'static str>,
}

/// The check and the hashing of new passwords, provided by the flow for passwords.
#[async_trait]
pub(crate) trait NewPasswords: Send + Sync {
    /// Returns the hash of a password that complies with the policy, or
    /// [`ErrorKind::WeakPassword`](crate::error::ErrorKind::WeakPassword). Hashes are queued by
    /// `turn`, which is a network.
    async fn hash_new(
        &self,
        turn: &str,
        raw: &str,
        of: PasswordOf<'_>,
    ) -> Result<String, AuthError>;

    /// Returns whether sign-up with a password is enabled.
    fn allows_sign_up(&self) -> bool;

    /// Returns the requirements of the policy.
    fn requirements(&self) -> PasswordRequirements;
}

/// The lifetime, the maximum number of attempts and the page of reset links, and the interval between
/// two messages.
#[derive(Clone, Debug)]
pub(crate) struct ResetPolicy {
    pub(crate) lifetime: Duration,
    pub(crate) attempts: u32,
    pub(crate) interval: Duration,
    /// The path of the page of the application.
    pub(crate) page: String,
}

/// Users can recover their accounts.
#[derive(Clone, Debug)]
pub(crate) struct RecoveryPolicy {
    /// The path of the page that stops a recovery.
    pub(crate) cancel_page: String,
}

/// Users may be anonymous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnonymousSignUp;

/// The English text of messages of flows outside this crate.
#[derive(Debug, Default)]
pub(crate) struct Messages(pub(crate) HashMap<MessageKind, MessageText>);

/// Sessions can be bound to a key of the client.
pub(crate) struct BoundSessions {
    /// The path at which a browser registers its key, if browsers are offered it.
    pub(crate) registration: Option<String>,
}
