//! What is proved once: codes, links, pending sign-ins, and what follows from a proof.
//!
//! A challenge is found by the hash of its handle. It is counted before it is compared, and
//! gone before anything is done for it, so of any number of simultaneous proofs one counts.
//! What lies between the first factor and the last is a challenge and never a session.

mod account;
mod ask;
mod challenge;
mod claim;
mod device;
mod email;
mod fresh;
mod key;
mod key_cache;
mod newcomer;
mod notice;
mod sign_in;
mod ticket;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub(crate) use account::{ReliesOn, StepUp, identifiers_of, new_user_id, password_credential};
pub(crate) use ask::{Asked, Letterhead};
pub(crate) use claim::Claim;
pub use email::EmailUndone;
pub(crate) use key_cache::KeyCache;
pub(crate) use newcomer::{AnonymousSession, NewAccount, SignUpData};
pub(crate) use notice::NoticeSink;
pub(crate) use sign_in::{Attempt, Verified};
pub(crate) use ticket::TICKET_LIFE;

use crate::{crypto::token::PlainToken, error::AuthError, model::User, session::Issued};

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

/// What a request for a proof answers: not a session, and good for nothing but the proof.
#[derive(Debug)]
pub struct Pending {
    /// The secret of the client that began.
    pub handle: PlainToken,
    /// By what it can be proved.
    pub methods: Vec<&'static str>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When another message may be asked for.
    pub resend_at: Option<Timestamp>,
}

/// What came of a sign-in or of a proof.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Signed in.
    Complete(Box<(User, Issued)>),
    /// Something is still to be proved.
    Pending(Pending),
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

impl Outcome {
    pub(crate) fn complete(user: User, issued: Issued) -> Self {
        Self::Complete(Box::new((user, issued)))
    }
}
