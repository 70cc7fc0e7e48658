//! What flows bring to the services.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use crate::{
    error::AuthError,
    mail::{MessageKind, Words},
};

/// Where a code is asked for, and what codes are like.
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

/// Judges and hashes new passwords; the flow for passwords brings it.
#[async_trait]
pub(crate) trait NewPasswords: Send + Sync {
    /// The hash of a password that is good enough, else
    /// [`ErrorKind::WeakPassword`](crate::error::ErrorKind::WeakPassword).
    /// `turn` says with whom it is hashed in turn: a network.
    async fn hash_new(
        &self,
        turn: &str,
        raw: &str,
        identifiers: &[&str],
    ) -> Result<String, AuthError>;

    /// Whether sign-up with a password is enabled.
    fn allows_sign_up(&self) -> bool;
}

/// How long a link to set a password lives, and for how many attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetPolicy {
    pub(crate) lifetime: Duration,
    pub(crate) attempts: u32,
}

/// Users may be anonymous.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnonymousUsers;

/// Programs may have API keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramKeys;

/// The English text of messages of flows outside this crate.
#[derive(Debug, Default)]
pub(crate) struct Messages(pub(crate) HashMap<MessageKind, Words>);
