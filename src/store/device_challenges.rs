//! The challenges of a session that is bound to a browser.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The time for which a challenge is valid.
pub(crate) const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
/// The tolerated difference between the clocks of two processes.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// The number of challenges that are valid at a time.
const MAX_LIVE: usize = 2;

/// The challenges for proofs of the key of a browser: the two newest, and those that the current
/// tokens were issued for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChallenges {
    /// The newest first, each with the time of its issue in milliseconds since 1970.
    live: Vec<(String, i64)>,
    /// The challenges that were used to get the current tokens.
    used: Vec<String>,
}

impl DeviceChallenges {
    /// Returns whether a challenge is valid.
    pub(crate) fn is_live(&self, challenge: &str, now: Timestamp) -> bool {
        self.live.iter().any(|(own, at)| own == challenge && is_current(*at, now))
    }

    /// Returns whether the current tokens were issued for a challenge.
    pub(crate) fn is_used(&self, challenge: &str) -> bool {
        self.used.iter().any(|own| own == challenge)
    }

    /// Returns the newest challenge, if it is valid.
    pub(crate) fn newest(&self, now: Timestamp) -> Option<&str> {
        let (own, at) = self.live.first()?;
        is_current(*at, now).then_some(own.as_str())
    }

    /// Adds a challenge.
    pub(crate) fn with(&self, challenge: &str, now: Timestamp) -> Self {
        let mut own = self.clone();
        own.live.insert(0, (challenge.to_owned(), now.as_millisecond()));
        own.live.truncate(MAX_LIVE);
        own
    }

    /// Replaces a challenge that was used by `next`. With `rotates`, new tokens are issued for it, and
    /// otherwise the current ones again.
    pub(crate) fn spend(&self, used: &str, next: &str, now: Timestamp, rotates: bool) -> Self {
        let mut own = self.with(next, now);
        own.live.retain(|(own, _)| own != used);
        if rotates {
            own.used.clear();
        }
        own.used.insert(0, used.to_owned());
        own.used.truncate(MAX_LIVE);
        own
    }
}

/// Returns whether a challenge that was issued at a time is still valid.
pub(crate) fn is_current(at: i64, now: Timestamp) -> bool {
    let age = SignedDuration::from_millis(now.as_millisecond().saturating_sub(at));
    age >= -SKEW && age < SignedDuration::try_from(CHALLENGE_LIFE).unwrap_or(SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn two_newest_challenges_are_valid_for_five_minutes() {
        let all = DeviceChallenges::default().with("a", at(0)).with("b", at(1)).with("c", at(2));
        let live = |own: &DeviceChallenges, second| {
            ["a", "b", "c"].map(|name| own.is_live(name, at(second)))
        };
        assert_eq!(live(&all, 3), [false, true, true]);
        assert_eq!(live(&all, 301), [false, false, true]);
        assert_eq!(live(&all, 302), [false; 3]);
        assert_eq!(live(&all, -60), [false, false, false]);
        assert_eq!((all.newest(at(3)), all.newest(at(302))), (Some("c"), None));
    }

    #[test]
    fn used_challenge_is_known_until_other_tokens_are_issued() {
        let all = DeviceChallenges::default().with("a", at(0)).with("b", at(1));
        let all = all.spend("a", "c", at(2), true);
        assert!(all.is_used("a") && !all.is_live("a", at(2)));
        assert!(all.is_live("b", at(2)) && all.is_live("c", at(2)));
        let again = all.spend("c", "d", at(3), false);
        assert!(again.is_used("a") && again.is_used("c"));
        let rotated = again.spend("d", "e", at(4), true);
        assert!(rotated.is_used("d") && !rotated.is_used("a") && !rotated.is_used("c"));
    }
}
