//! The key that a request offers for its session, by a proof of possession (RFC 9449).
//!
//! The proof is verified when the key is first needed, except that it is used once: that is checked when
//! the key is used.

use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::OnceCell;

use crate::{
    error::{AuthError, ErrorKind},
    model::{Session, Thumbprint, Transport},
};

/// The proof of a request.
#[async_trait]
pub(crate) trait RequestProof: Send + Sync {
    /// Returns the key of the proof, or `None` if proofs are ignored. The proof is verified at the first
    /// call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidDpopProof`] if it is not valid.
    fn key(&self) -> Result<Option<Thumbprint>, AuthError>;

    /// Returns whether the use of the proof was recorded.
    async fn is_used(&self) -> Result<bool, AuthError>;

    /// Records the use of the proof. Returns `false` if it was used before.
    async fn remember(&self) -> Result<bool, AuthError>;
}

/// The offer of a request: a proof, whose use is recorded at most once.
pub(crate) struct OfferedProof {
    proof: Box<dyn RequestProof>,
    is_unused: OnceCell<bool>,
    is_first: OnceCell<bool>,
}

impl OfferedProof {
    pub(crate) fn new(proof: impl RequestProof + 'static) -> Self {
        Self { proof: Box::new(proof), is_unused: OnceCell::new(), is_first: OnceCell::new() }
    }

    /// Returns whether this request can use the proof. It records nothing.
    async fn is_unused(&self) -> Result<bool, AuthError> {
        let read = async || Ok(!self.proof.is_used().await?);
        self.is_unused.get_or_try_init(read).await.copied()
    }

    /// Returns whether this is the first use of the proof, and records it.
    async fn is_first(&self) -> Result<bool, AuthError> {
        self.is_first.get_or_try_init(|| self.proof.remember()).await.copied()
    }
}

tokio::task_local! {
    /// The proof of the request in progress.
    static OFFERED: Arc<OfferedProof>;
}

/// Runs a part of the work of a request that has this proof.
pub(crate) fn offering<T>(proof: &Arc<OfferedProof>, work: impl FnOnce() -> T) -> T {
    OFFERED.sync_scope(Arc::clone(proof), work)
}

fn current() -> Option<Arc<OfferedProof>> {
    OFFERED.try_with(Clone::clone).ok()
}

/// Returns the key that the request offers for a new session. Cookies ignore proofs.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`] if its proof is not valid.
pub(crate) fn offered_key(transport: Transport) -> Result<Option<Thumbprint>, AuthError> {
    match current() {
        Some(own) if transport == Transport::Bearer => own.proof.key(),
        _ => Ok(None),
    }
}

/// Like [`offered_key`], for a request that consumes a challenge: it is called before, so that a proof
/// that was used before consumes none.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`]; [`ErrorKind::Unavailable`].
pub(crate) async fn unused_key(transport: Transport) -> Result<Option<Thumbprint>, AuthError> {
    let key = offered_key(transport)?;
    if let (Some(_), Some(own)) = (&key, current())
        && !own.is_unused().await?
    {
        return Err(ErrorKind::InvalidDpopProof.into());
    }
    Ok(key)
}

/// Requires that a request which steps up a session has no proof, or one that can be used. It is called
/// before the challenge is consumed.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`]; [`ErrorKind::Unavailable`].
pub(crate) async fn require_usable(session: &Session) -> Result<(), AuthError> {
    match session.binding {
        // The proof of a bound session was used to authenticate the request.
        Some(_) => offered_key(session.transport).map(drop),
        None => unused_key(session.transport).await.map(drop),
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
    let Some(own) = current() else { return Ok(()) };
    match own.is_first().await? {
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
    let own = current().ok_or(ErrorKind::DpopProofRequired)?;
    match own.proof.key() {
        Ok(Some(key)) if is_of(key, session) && own.is_first().await? => Ok(()),
        Ok(None) => Err(ErrorKind::DpopProofRequired.into()),
        Ok(Some(_)) => Err(ErrorKind::DpopProofRefused.into()),
        Err(error) if error.kind() == ErrorKind::InvalidDpopProof => {
            Err(ErrorKind::DpopProofRefused.into())
        }
        Err(error) => Err(error),
    }
}

fn is_of(key: Thumbprint, session: &Session) -> bool {
    session.binding().is_some_and(|own| own.thumbprint() == key.to_string())
}
