//! Proofs of possession (RFC 9449): what the flow provides, and the memory of used proofs.

use std::{
    collections::HashSet,
    fmt, mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Core;
use crate::{
    clock::{after, whole_millis},
    crypto::digest::Digest,
    error::{AuthError, ErrorKind},
    model::{Thumbprint, TokenDelivery},
    origin::Origins,
    session::{same_key, unused_key},
    store::{Challenge, ChallengeKind},
};

/// The name of the kind of challenges that record used proofs.
pub(crate) const USED_PROOFS: &str = "dpop_proof";
/// The member of the data of a challenge that has a pending sign-up.
pub(super) const PENDING_SIGN_UP: &str = "sign_up";
/// The time for which a proof is accepted, after the time in it and before.
pub(crate) const DPOP_WINDOW: Duration = Duration::from_secs(60);
/// The time after which a proof is no longer accepted, whatever the time in it.
const WINDOW_MILLIS: i64 = 120_000;
/// The maximum number of proofs that a process remembers, for each of two windows.
const MAX_SEEN: usize = 200_000;

/// A request with a proof.
pub(crate) struct DpopRequest<'a> {
    pub(crate) proof: &'a str,
    pub(crate) method: &'a str,
    pub(crate) origins: &'a Origins,
    pub(crate) path: &'a str,
    /// The access token that the request presents.
    pub(crate) token: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// A proof that was verified.
#[derive(Debug)]
pub(crate) struct DpopProof {
    pub(crate) key: Thumbprint,
    /// The key and the id of the proof.
    pub(crate) id: Digest,
}

/// The verification of proofs.
pub(crate) struct DpopProofs {
    pub(crate) verify: fn(&DpopRequest<'_>) -> Option<DpopProof>,
    pub(crate) seen: SeenProofs,
}

impl fmt::Debug for DpopProofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DpopProofs")
    }
}

/// The proofs that this process has accepted. If there are too many, others are rejected: none is
/// accepted twice.
#[derive(Debug, Default)]
pub(crate) struct SeenProofs(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    current: HashSet<[u8; 32]>,
    previous: HashSet<[u8; 32]>,
    /// The time since which `current` is filled, in milliseconds since 1970.
    since: i64,
}

impl SeenProofs {
    /// Records a proof. Returns `false` if it was recorded before.
    pub(crate) fn insert(&self, proof: &DpopProof, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_millisecond();
        // A clock that is set back keeps what it recorded.
        if now.saturating_sub(seen.since) > WINDOW_MILLIS {
            let is_long_ago = now.saturating_sub(seen.since) > 2 * WINDOW_MILLIS;
            let current = mem::take(&mut seen.current);
            seen.previous = if is_long_ago { HashSet::new() } else { current };
            seen.since = now;
        }
        let id = *proof.id.as_bytes();
        if seen.previous.contains(&id) || seen.current.len() >= MAX_SEEN {
            return false;
        }
        seen.current.insert(id)
    }
}

impl Core {
    /// Returns whether the use of a proof is recorded in the store.
    pub(crate) async fn is_proof_used(
        &self,
        proof: &DpopProof,
        now: Timestamp,
    ) -> Result<bool, AuthError> {
        Ok(self.challenges.find_challenge(&proof.id, now).await?.is_some())
    }

    /// Records the use of a proof in the store. Returns `false` if it was recorded before.
    pub(crate) async fn remember_proof(
        &self,
        proof: &DpopProof,
        now: Timestamp,
    ) -> Result<bool, AuthError> {
        let now = whole_millis(now);
        let challenge = Challenge::new(
            ChallengeKind::Custom(USED_PROOFS),
            proof.id,
            Value::Null,
            (now, after(now, DPOP_WINDOW * 2)),
        );
        self.store_challenge(&challenge).await
    }
}

/// Returns the delivery of a pending sign-in. Its session is bound to the key that the request in
/// progress offers, which is the one of the first request if that offered one.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`]; [`ErrorKind::ChallengeExpired`] if a newer version stored it.
pub(super) fn stored_delivery(data: &Value) -> Result<TokenDelivery, AuthError> {
    let first: Result<TokenDelivery, _> = TokenDelivery::deserialize(data);
    let first = first.map_err(|_| ErrorKind::ChallengeExpired)?;
    Ok(TokenDelivery { jkt: same_key(first.transport, first.jkt)?, ..first })
}

/// Requires that a request which completes a sign-in or a sign-up offers the key that its first request
/// offered, by a proof that was not used. It is called before the challenge is consumed.
///
/// # Errors
///
/// [`ErrorKind::InvalidDpopProof`]; [`ErrorKind::Unavailable`].
pub(crate) async fn require_same_key(challenge: &Challenge) -> Result<(), AuthError> {
    let data = match challenge.kind {
        ChallengeKind::SignIn => Some(&challenge.data),
        ChallengeKind::SignUp => challenge.data.get(PENDING_SIGN_UP),
        _ => None,
    };
    match data.map(stored_delivery) {
        Some(Err(error)) if error.kind() == ErrorKind::InvalidDpopProof => Err(error),
        Some(Ok(delivery)) => unused_key(delivery.transport).await.map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::Domain;

    #[test]
    fn proof_is_accepted_once_for_its_window() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let proof = |name: &str| DpopProof {
            key: Thumbprint::from_bytes([1; 32]),
            id: Digest::hash(Domain::LIMIT, name.as_bytes()),
        };
        let seen = SeenProofs::default();
        assert!(seen.insert(&proof("a"), at(0)));
        assert!(!seen.insert(&proof("a"), at(0)) && !seen.insert(&proof("a"), at(-3600)));
        assert!(seen.insert(&proof("b"), at(119)));
        assert!(seen.insert(&proof("c"), at(121)));
        for name in ["a", "b", "c"] {
            assert!(!seen.insert(&proof(name), at(122)), "{name}");
        }
        assert!(seen.insert(&proof("d"), at(242)));
        assert!(!seen.insert(&proof("c"), at(242)));
    }
}
