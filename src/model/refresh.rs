//! What becomes of a refresh token: the decision alone, without token, store or clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How refresh tokens rotate.
///
/// | knob | default | why |
/// |---|---|---|
/// | `rotate` | on | a stolen token is noticed at its first use (RFC 9700 §4.14.2) |
/// | `detect_reuse` | on | a superseded token is theft and not merely stale |
/// | `revoke_on_reuse` | on | the whole family ends; off: an event alone |
/// | `grace` | 10 seconds | tabs that refresh at once all get the same pair |
/// | `lost_answer` | 15 minutes | a client that never saw its answer asks again |
/// | `max_rotations` | 10,000 | bounds the walk that recognises an old token to less than a millisecond; every 15 minutes for 90 days are 8,640 |
///
/// With both windows at 0 a second use of a token is theft by definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// Whether a use replaces the refresh token.
    pub rotate: bool,
    /// Whether the use of a replaced token counts as theft.
    pub detect_reuse: bool,
    /// Whether theft ends the session.
    pub revoke_on_reuse: bool,
    /// How long after a rotation its predecessor gets the same answer once more.
    pub grace: Duration,
    /// How long it does so while nobody has used the successor.
    pub lost_answer: Duration,
    /// After how many rotations one signs in again.
    pub max_rotations: u32,
}

/// How a presented token stands to the session it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the current one.
    Current,
    /// It is the one before, and leads to the current one.
    Predecessor,
    /// It was current once, longer ago.
    Older,
    /// It was current before the tokens of the session were replaced other than by a refresh.
    Replaced,
    /// It never was one of this session.
    Forged,
}

/// What the decision wants to know of a session.
#[derive(Clone, Copy, Debug)]
pub struct RefreshState {
    /// How often it was rotated.
    pub generation: u32,
    /// When it was last rotated or renewed.
    pub rotated_at: Option<Timestamp>,
    /// Whether a token of the current generation was used.
    pub confirmed: bool,
    /// When the refresh token ends, which is never after the session.
    pub refresh_expires_at: Timestamp,
}

/// What to do with a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Replace it.
    Rotate,
    /// Keep it and make a new access token; rotation is off.
    Renew,
    /// Give the answer of the last rotation or renewal once more.
    Converge,
    /// It is stolen, or was.
    Reuse,
    /// Refuse it, for this reason.
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
    /// Decides what becomes of a token at a moment. A window or an expiry that ends at the
    /// moment has ended.
    pub fn decide(&self, standing: Standing, state: &RefreshState, now: Timestamp) -> Refresh {
        match standing {
            Standing::Forged => return Refresh::Refuse("forged"),
            Standing::Replaced => return Refresh::Refuse("replaced"),
            Standing::Current | Standing::Predecessor | Standing::Older => {}
        }
        if now >= state.refresh_expires_at {
            return Refresh::Refuse("expired");
        }
        let age = state.rotated_at.map(|at| now.duration_since(at));
        let within = |window: Duration| {
            let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
            // A rotation that lies ahead, because the clock was set back, is recent.
            !window.is_zero() && age.is_some_and(|age| age < window)
        };
        match standing {
            Standing::Current if !self.rotate && within(self.grace) => Refresh::Converge,
            Standing::Current if !self.rotate => Refresh::Renew,
            Standing::Current if state.generation >= self.max_rotations => {
                Refresh::Refuse("rotated_out")
            }
            Standing::Current => Refresh::Rotate,
            Standing::Predecessor if within(self.grace) => Refresh::Converge,
            Standing::Predecessor if !state.confirmed && within(self.lost_answer) => {
                Refresh::Converge
            }
            _ if self.detect_reuse => Refresh::Reuse,
            _ => Refresh::Refuse("superseded"),
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
    fn every_standing_has_its_answer_at_every_age() {
        // A1 to A6, RT-01, RT-02, RT-04, RT-05
        use Refresh::{Converge, Refuse, Renew, Reuse, Rotate};
        use Standing::{Current, Forged, Older, Predecessor};
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
