//! The key that a request offers for its session, by a proof of possession (RFC 9449).
//!
//! The proof was verified, except that it is used once: that is checked when the key is used.

use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::OnceCell;

use crate::{
    error::{AuthError, ErrorKind},
    model::{Session, Thumbprint, Transport},
};

/// The memory of used proofs.
#[async_trait]
pub(crate) trait ProofMemory: Send + Sync {
    /// Records the use of the proof of this request. Returns `false` if it was used before.
    async fn remember(&self) -> Result<bool, AuthError>;
}

/// The offer of a request.
#[derive(Clone)]
pub(crate) enum OfferedKey {
    /// A proof that is not valid.
    Broken,
    /// A key.
    Key(Thumbprint, Arc<ProofUse>),
}

/// The use of the proof of one request, which is recorded at most once.
pub(crate) struct ProofUse {
    memory: Box<dyn ProofMemory>,
    is_first: OnceCell<bool>,
}

impl ProofUse {
    pub(crate) fn new(memory: impl ProofMemory + 'static) -> Self {
        Self { memory: Box::new(memory), is_first: OnceCell::new() }
    }

    /// Returns whether this is the first use of the proof.
    async fn is_first(&self) -> Result<bool, AuthError> {
        self.is_first.get_or_try_init(|| self.memory.remember()).await.copied()
    }
}

tokio::task_local! {
    /// The offer of the request in progress, if it has a proof.
    static OFFERED: Option<OfferedKey>;
}

/// Runs the work of a request that offers this.
pub(crate) async fn offering<F: Future>(offered: Option<OfferedKey>, work: F) -> F::Output {
    OFFERED.scope(offered, work).await
}

fn current() -> Option<OfferedKey> {
    OFFERED.try_with(Clone::clone).ok().flatten()
}

/// Returns the key that the request offers for a new session. Cookies ignore proofs.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`] if its proof is not valid.
pub(crate) fn offered_key(transport: Transport) -> Result<Option<Thumbprint>, AuthError> {
    match current() {
        Some(_) if transport != Transport::Bearer => Ok(None),
        Some(OfferedKey::Broken) => Err(ErrorKind::InvalidDpopProof.into()),
        Some(OfferedKey::Key(key, _)) => Ok(Some(key)),
        None => Ok(None),
    }
}

/// Like [`offered_key`], for the last step of a sign-in: if its first request offered a key, this one
/// must offer the same.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`].
pub(crate) fn same_key(
    transport: Transport,
    first: Option<Thumbprint>,
) -> Result<Option<Thumbprint>, AuthError> {
    let now = offered_key(transport)?;
    match first {
        Some(first) if now != Some(first) => Err(ErrorKind::InvalidDpopProof.into()),
        _ => Ok(now),
    }
}

/// Requires that the proof of the offered key is used for the first time.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`] if it was used before; [`ErrorKind::Unavailable`].
pub(super) async fn use_offered() -> Result<(), AuthError> {
    let Some(OfferedKey::Key(_, proof)) = current() else { return Ok(()) };
    match proof.is_first().await? {
        true => Ok(()),
        false => Err(ErrorKind::InvalidDpopProof.into()),
    }
}

/// Requires a proof of the key of a session, for a refresh.
///
/// # Errors
///
/// [`ErrorKind::DpopProofRequired`] without a proof; [`ErrorKind::DpopProofRefused`] if it is not valid,
/// of another key, or was used before; [`ErrorKind::Unavailable`].
pub(super) async fn require_key(session: &Session) -> Result<(), AuthError> {
    match current() {
        None => Err(ErrorKind::DpopProofRequired.into()),
        Some(OfferedKey::Key(key, proof)) if is_of(key, session) && proof.is_first().await? => {
            Ok(())
        }
        Some(_) => Err(ErrorKind::DpopProofRefused.into()),
    }
}

fn is_of(key: Thumbprint, session: &Session) -> bool {
    session.binding().is_some_and(|own| own.thumbprint() == key.to_string())
}
