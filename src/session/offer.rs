//! The challenge with which a browser binds a new session to a key.
//!
//! It is computed from the row, so a session that is not bound costs no statement. It consists of the
//! time and a digest with the nonce of the session, which clients do not know, and the number of
//! renewals: the challenges of the two newest responses that offered the registration are valid.

use jiff::Timestamp;

use crate::{
    crypto::digest::{Digest, Domain},
    model::Transport,
    store::{SessionRow, is_current},
};

/// Returns the challenge, if the session can be bound to a browser.
pub(super) fn offer(row: &SessionRow, now: Timestamp) -> Option<String> {
    let session = &row.session;
    let can_bind = session.transport == Transport::Cookie && session.binding.is_none();
    let at = now.as_millisecond();
    can_bind.then(|| format!("{at:x}.{}", digest(row, session.renewals, at).to_base64()))
}

/// Returns whether a challenge is valid for a session.
pub(super) fn is_offered(row: &SessionRow, challenge: &str, now: Timestamp) -> bool {
    let Some((at, text)) = challenge.split_once('.') else { return false };
    let (Ok(at), Some(given)) = (i64::from_str_radix(at, 16), Digest::from_base64(text)) else {
        return false;
    };
    let newest = row.session.renewals;
    let mut renewals = [Some(newest), newest.checked_sub(1)].into_iter().flatten();
    is_current(at, now) && renewals.any(|renewals| digest(row, renewals, at).ct_eq(&given))
}

/// The nonce is a secret of the server, and the input has a fixed length.
fn digest(row: &SessionRow, renewals: u32, at: i64) -> Digest {
    let mut bytes = [0; 44];
    let (nonce, rest) = bytes.split_at_mut(32);
    nonce.copy_from_slice(&row.nonce);
    let (counter, time) = rest.split_at_mut(4);
    counter.copy_from_slice(&renewals.to_be_bytes());
    time.copy_from_slice(&at.to_be_bytes());
    Digest::hash(Domain::DEVICE_CHALLENGE, &bytes)
}
