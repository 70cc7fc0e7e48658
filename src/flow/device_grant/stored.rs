//! The stored form of a request of a program, and how often the program may poll.
//!
//! A request is two challenges. The one of the device code exists until the session is delivered.
//! The one of the user code exists until the user decides; an approval replaces it by a third one,
//! which the delivery consumes. So a request is pending while the user code exists, approved while
//! the approval exists, and otherwise denied.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    clock::after,
    crypto::digest::{Digest, Domain},
    model::{ClientInfo, Session, UserId},
    services::SessionTag,
    store::{Challenge, ChallengeKind},
};

/// The validity of both codes.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// The time after which a program may poll again, in seconds.
pub(super) const INTERVAL: u64 = 5;
/// The time that a device code is stored, so that a program learns that it has expired.
const STORED: Duration = Duration::from_secs(24 * 3600);

/// The data of a device code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DeviceCode {
    pub(super) client: String,
    /// The hash of the user code.
    pub(super) request: String,
    expires_at: Timestamp,
    polled_at: Option<Timestamp>,
    /// In seconds.
    interval: u64,
}

/// The data of a user code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UserCode {
    pub(super) client: String,
    /// The hash of the device code.
    pub(super) device: String,
    pub(super) ip: Option<String>,
    pub(super) user_agent: Option<String>,
    /// The session that claimed the request.
    pub(super) session: Option<String>,
}

/// The data of an approval.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Approval {
    pub(super) client: String,
    /// The time of the decision.
    pub(super) at: Timestamp,
    /// The tags of the session that it begins. It is revoked by them, too.
    pub(super) tags: Vec<SessionTag>,
}

impl DeviceCode {
    pub(super) fn new(client: &str, request: &Digest, now: Timestamp) -> Self {
        Self {
            client: client.to_owned(),
            request: request.to_base64(),
            expires_at: after(now, LIFETIME),
            polled_at: None,
            interval: INTERVAL,
        }
    }

    /// Returns whether the code has expired. If it was created further in the future than its
    /// lifetime, the clock was set back.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at || self.expires_at > after(after(now, LIFETIME), LIFETIME)
    }

    /// Returns the data after a poll, and whether it was too early: each early one makes the
    /// interval longer by five seconds (RFC 8628 §3.5).
    pub(super) fn polled(&self, now: Timestamp) -> (Self, bool) {
        let interval = i64::try_from(self.interval).unwrap_or(i64::MAX);
        let interval = SignedDuration::from_secs(interval);
        // The clocks of processes differ, and one may be set back.
        let is_early =
            self.polled_at.is_some_and(|polled| now.duration_since(polled).abs() < interval);
        let interval = self.interval + if is_early { INTERVAL } else { 0 };
        (Self { polled_at: Some(now), interval, ..self.clone() }, is_early)
    }

    pub(super) fn challenge(&self, id: Digest, now: Timestamp) -> Challenge {
        let expires_at = after(now, STORED);
        Challenge::new(ChallengeKind::DeviceCode, id, json!(self), (now, expires_at))
    }
}

impl UserCode {
    pub(super) fn new(client: &str, device: &Digest, from: &ClientInfo) -> Self {
        let ClientInfo { ip, user_agent, .. } = from.clone();
        let (client, device) = (client.to_owned(), device.to_base64());
        Self { client, device, ip, user_agent, session: None }
    }

    /// Returns whether a session can look up the request.
    pub(super) fn is_free_for(&self, session: &Session) -> bool {
        self.session.is_none() || self.is_claimed_by(session)
    }

    /// Returns whether a session has looked up the request.
    pub(super) fn is_claimed_by(&self, session: &Session) -> bool {
        self.session.as_ref().is_some_and(|own| *own == session.id.to_string())
    }

    pub(super) fn challenge(&self, id: Digest, now: Timestamp) -> Challenge {
        Challenge::new(ChallengeKind::UserCode, id, json!(self), (now, after(now, LIFETIME)))
    }
}

impl Approval {
    /// Returns the id of the approval of a device code.
    pub(super) fn id(device: &Digest) -> Digest {
        Digest::hash(Domain::APPROVAL, device.as_bytes())
    }

    pub(super) fn challenge(&self, device: &Digest, user: &UserId) -> Challenge {
        let (id, at) = (Self::id(device), self.at);
        let own = Challenge::new(
            ChallengeKind::DeviceApproval,
            id,
            json!(self),
            (at, after(at, LIFETIME)),
        );
        Challenge { user_id: Some(user.clone()), ..own }
    }
}

/// Returns the data of a challenge, if it is of this kind.
pub(super) fn read<T: DeserializeOwned>(challenge: &Challenge, kind: ChallengeKind) -> Option<T> {
    serde_json::from_value(challenge.data.clone()).ok().filter(|_| challenge.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// RFC 8628 §3.5: `slow_down` increases the interval by 5 seconds for all later polls.
    #[test]
    fn early_polls_lengthen_the_interval() {
        let mut own = DeviceCode::new("cli", &Digest::hash(Domain::TYPED, b""), at(1000));
        for (second, is_early, interval) in [
            (1000, false, 5),
            (1005, false, 5),
            (1009, true, 10),
            (1018, true, 15),
            (1032, true, 20),
            (1052, false, 20),
            (1071, true, 25),
            // The clock was set back: by less than the interval, and by more.
            (1070, true, 30),
            (1020, false, 30),
        ] {
            let (next, early) = own.polled(at(second));
            assert_eq!((early, next.interval), (is_early, interval), "{second}");
            own = next;
        }
    }

    #[test]
    fn codes_expire_after_ten_minutes() {
        let own = DeviceCode::new("cli", &Digest::hash(Domain::TYPED, b""), at(1000));
        for (second, is_expired) in
            [(1000, false), (1599, false), (1600, true), (401, false), (399, true)]
        {
            assert_eq!(own.is_expired(at(second)), is_expired, "{second}");
        }
    }
}
