//! The decision about a presented refresh token, without token, store or clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The rotation policy of refresh tokens.
///
/// | option | default | purpose |
/// |---|---|---|
/// | `rotate` | on | a stolen token is detected at its first use (RFC 9700 §4.14.2) |
/// | `detect_reuse` | on | a superseded token counts as theft, not merely as outdated |
/// | `revoke_on_reuse` | on | reuse revokes the session; off: it only records an event |
/// | `grace` | 10 seconds | concurrent refreshes (several tabs) return the same tokens |
/// | `lost_answer` | 15 minutes | a client that did not receive the response can retry |
/// | `max_rotations` | 10,000 | bounds the time to identify an old token |
///
/// `max_rotations` bounds the time to identify an old token to less than a millisecond; a rotation
/// every 15 minutes for 90 days makes 8,640.
///
/// If `grace` and `lost_answer` are 0, every second use of a token counts as reuse.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::{SessionOptions, model::RefreshPolicy};
///
/// let policy = RefreshPolicy::default().grace(Duration::from_secs(30));
/// let options = SessionOptions::default().refresh_policy(policy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// Whether a refresh replaces the refresh token.
    pub rotate: bool,
    /// Whether the use of a replaced token counts as theft.
    pub detect_reuse: bool,
    /// Whether theft revokes the session.
    pub revoke_on_reuse: bool,
    /// The time after a rotation during which the previous token returns the same response again.
    pub grace: Duration,
    /// The same time if the new token has not been used.
    pub lost_answer: Duration,
    /// The number of rotations after which the user has to sign in again.
    pub max_rotations: u32,
}

/// The status of a presented token within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenAge {
    /// The current token.
    Current,
    /// The previous token, which the current one replaced.
    Predecessor,
    /// An older token.
    Older,
    /// A token from before the tokens of the session were replaced other than by a refresh, for
    /// example by a step-up.
    Replaced,
    /// A token that this session never had.
    Forged,
}

/// The state of a session that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct RefreshState {
    /// The number of rotations.
    pub generation: u32,
    /// The time of the last rotation or renewal.
    pub rotated_at: Option<Timestamp>,
    /// Whether a token of the current generation has been used.
    pub confirmed: bool,
    /// The expiry of the refresh token, which is never after that of the session.
    pub refresh_expires_at: Timestamp,
}

/// The decision about a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshDecision {
    /// Replace the refresh token.
    Rotate,
    /// Retain the refresh token and issue a new access token: rotation is off.
    Renew,
    /// Return the response of the last rotation or renewal again.
    Converge,
    /// The token is or was stolen.
    Reuse,
    /// Reject the token, for this reason.
    Refuse(&'static str),
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            rotate: true,
            detect_reuse: true,
            revoke_on_reuse: true,
            grace: Duration::from_secs(10),
            lost_answer: Duration::from_secs(15 * 60),
            max_rotations: 10_000,
        }
    }
}

impl RefreshPolicy {
    /// Sets whether a refresh replaces the refresh token; `true` by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// assert!(!RefreshPolicy::default().rotate(false).rotate);
    /// ```
    #[must_use]
    pub fn rotate(mut self, rotate: bool) -> Self {
        self.rotate = rotate;
        self
    }

    /// Sets whether the use of a replaced token counts as theft; `true` by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// assert!(!RefreshPolicy::default().detect_reuse(false).detect_reuse);
    /// ```
    #[must_use]
    pub fn detect_reuse(mut self, detect: bool) -> Self {
        self.detect_reuse = detect;
        self
    }

    /// Sets whether theft revokes the session; `true` by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// assert!(!RefreshPolicy::default().revoke_on_reuse(false).revoke_on_reuse);
    /// ```
    #[must_use]
    pub fn revoke_on_reuse(mut self, revoke: bool) -> Self {
        self.revoke_on_reuse = revoke;
        self
    }

    /// Sets for how long after a rotation the previous token returns the same response again; 10
    /// seconds by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// use std::time::Duration;
    /// let policy = RefreshPolicy::default().grace(Duration::from_secs(30));
    /// assert_eq!(policy.grace, Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the same time for a new token that has not been used; 15 minutes by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// use std::time::Duration;
    /// let policy = RefreshPolicy::default().lost_answer(Duration::ZERO);
    /// assert_eq!(policy.lost_answer, Duration::ZERO);
    /// ```
    #[must_use]
    pub fn lost_answer(mut self, time: Duration) -> Self {
        self.lost_answer = time;
        self
    }

    /// Sets the number of rotations after which the user has to sign in again; 10,000 by default.
    ///
    /// ```
    /// # use authlayer::model::RefreshPolicy;
    /// assert_eq!(RefreshPolicy::default().max_rotations(100).max_rotations, 100);
    /// ```
    #[must_use]
    pub fn max_rotations(mut self, rotations: u32) -> Self {
        self.max_rotations = rotations;
        self
    }

    /// Decides about a token at the time `now`. The end of a window and the time of expiry are
    /// exclusive: at that time they have passed.
    pub fn decide(
        &self,
        standing: TokenAge,
        state: &RefreshState,
        now: Timestamp,
    ) -> RefreshDecision {
        match standing {
            TokenAge::Forged => return RefreshDecision::Refuse("forged"),
            TokenAge::Replaced => return RefreshDecision::Refuse("replaced"),
            TokenAge::Current | TokenAge::Predecessor | TokenAge::Older => {}
        }
        if now >= state.refresh_expires_at {
            return RefreshDecision::Refuse("expired");
        }
        let age = state.rotated_at.map(|at| now.duration_since(at));
        let within = |window: Duration| {
            let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
            // A rotation in the future, because the clock was set back, counts as recent.
            !window.is_zero() && age.is_some_and(|age| age < window)
        };
        match standing {
            TokenAge::Current if !self.rotate && within(self.grace) => RefreshDecision::Converge,
            TokenAge::Current if !self.rotate => RefreshDecision::Renew,
            TokenAge::Current if state.generation >= self.max_rotations => {
                RefreshDecision::Refuse("rotated_out")
            }
            TokenAge::Current => RefreshDecision::Rotate,
            TokenAge::Predecessor if within(self.grace) => RefreshDecision::Converge,
            TokenAge::Predecessor if !state.confirmed && within(self.lost_answer) => {
                RefreshDecision::Converge
            }
            _ if self.detect_reuse => RefreshDecision::Reuse,
            _ => RefreshDecision::Refuse("superseded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(generation: u32, confirmed: bool) -> RefreshState {
        let rotated_at = (generation > 0).then(|| at(0));
        RefreshState { generation, rotated_at, confirmed, refresh_expires_at: at(5000) }
    }

    #[test]
    fn refresh_decision_table() {
        // A1 to A6, RT-01, RT-02, RT-04, RT-05
        use RefreshDecision::{Converge, Refuse, Renew, Reuse, Rotate};
        use TokenAge::{Current, Forged, Older, Predecessor};
        let (usual, strict) = (
            RefreshPolicy::default(),
            RefreshPolicy {
                grace: Duration::ZERO,
                lost_answer: Duration::ZERO,
                ..RefreshPolicy::default()
            },
        );
        let steady = RefreshPolicy { rotate: false, ..RefreshPolicy::default() };
        let lenient = RefreshPolicy { detect_reuse: false, ..RefreshPolicy::default() };
        for (name, policy, standing, state, second, outcome) in [
            ("current", &usual, Current, state(3, true), 100, Rotate),
            ("a moment before its end", &usual, Current, state(3, true), 4999, Rotate),
            ("at its end", &usual, Current, state(3, true), 5000, Refuse("expired")),
            ("the last rotation", &usual, Current, state(9_999, true), 1, Rotate),
            ("rotated out", &usual, Current, state(10_000, true), 1, Refuse("rotated_out")),
            ("in grace, confirmed", &usual, Predecessor, state(1, true), 9, Converge),
            ("after grace, confirmed", &usual, Predecessor, state(1, true), 10, Reuse),
            ("lost answer", &usual, Predecessor, state(1, false), 899, Converge),
            ("lost answer, too late", &usual, Predecessor, state(1, false), 900, Reuse),
            ("strict", &strict, Predecessor, state(1, false), 0, Reuse),
            ("strict, set back", &strict, Predecessor, state(1, false), -3600, Reuse),
            ("set back, confirmed", &usual, Predecessor, state(1, true), -3600, Converge),
            ("set back, lost answer", &usual, Predecessor, state(1, false), -3600, Converge),
            ("set back, current", &usual, Current, state(1, true), -3600, Rotate),
            ("set forward", &usual, Predecessor, state(1, false), 3600, Reuse),
            ("older, in grace", &usual, Older, state(2, false), 1, Reuse),
            ("older, late", &usual, Older, state(9, true), 4000, Reuse),
            ("older, not watched", &lenient, Older, state(2, true), 1, Refuse("superseded")),
            ("forged", &usual, Forged, state(2, false), 1, Refuse("forged")),
            ("steady, first", &steady, Current, state(0, false), 1, Renew),
            ("steady, again at once", &steady, Current, state(1, true), 1, Converge),
            ("steady, later", &steady, Current, state(1, true), 11, Renew),
        ] {
            assert_eq!(policy.decide(standing, &state, at(second)), outcome, "{name}");
        }
    }
}
