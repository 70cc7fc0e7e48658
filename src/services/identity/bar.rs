//! Identities that cannot be used, because their provider reported that another person has the
//! account or that it no longer exists.
//!
//! A bar is stored by the issuer and the subject, and does not belong to a user: it survives that the
//! identity is unlinked or its account is deleted, and it is stored for an identity that is not known
//! here. It is written before the sessions of the identity end. A sign-in looks for it after its
//! session was inserted, so either the sign-in finds the bar or the session is among those that end.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lookup_of;
use crate::{
    clock::{after, whole_millis},
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    model::IdpSession,
    services::{Core, Outcome},
    store::{Challenge, ChallengeKind, Credential, CredentialKind, StoreError},
};

/// A bar does not expire.
const LIFETIME: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
const MAX_ATTEMPTS: u32 = 16;

/// The events of its provider that concern an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The time at which the provider issued the latest event that bars the identity.
    #[serde(default)]
    barred: Option<Timestamp>,
    /// The hash of the token with this event.
    #[serde(default)]
    token: Option<String>,
    /// The time at which the event was received.
    #[serde(default)]
    received: Option<Timestamp>,
    /// Whether the identity was linked again since.
    #[serde(default)]
    is_linked_again: bool,
    /// The time at which the provider issued the latest event that enables the account again.
    #[serde(default)]
    enabled: Option<Timestamp>,
}

impl State {
    fn is_barred(&self) -> bool {
        self.barred
            .is_some_and(|at| !self.is_linked_again && self.enabled.is_none_or(|own| own <= at))
    }

    /// Returns the state after an event that bars the identity. Events may arrive in any order, and
    /// repeatedly.
    fn bar(&self, token: &Digest, issued_at: Timestamp, now: Timestamp) -> Self {
        let token = token.to_base64();
        let is_older = self.barred.is_some_and(|own| own > issued_at);
        if is_older || self.token.as_ref() == Some(&token) {
            return self.clone();
        }
        Self {
            barred: Some(issued_at),
            token: Some(token),
            received: Some(now),
            is_linked_again: false,
            enabled: self.enabled,
        }
    }

    /// Returns the state after an event that enables the account.
    fn enable(&self, issued_at: Timestamp) -> Self {
        let enabled = self.enabled.map_or(issued_at, |own| own.max(issued_at));
        Self { enabled: Some(enabled), ..self.clone() }
    }
}

/// A bar, as it was read.
#[derive(Debug)]
pub(crate) struct Bar(State);

impl Bar {
    /// Returns whether the bar was received after this time.
    fn is_after(&self, time: Timestamp) -> bool {
        self.0.received.is_some_and(|received| received > time)
    }
}

impl Core {
    /// Returns the bar of an identity, by its lookup key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    async fn bar_of(&self, lookup: &str) -> Result<Option<Bar>, AuthError> {
        let id = id_of(lookup);
        let found = self.challenges.find_challenge(&id, self.clock.now()).await?;
        let Some(found) = found else { return Ok(None) };
        let state = read(&found)?;
        Ok(state.is_barred().then_some(Bar(state)))
    }

    /// Requires that an identity is not barred.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccountDisabled`]; [`ErrorKind::Unavailable`].
    pub(crate) async fn require_not_barred(&self, lookup: &str) -> Result<(), AuthError> {
        match self.bar_of(lookup).await? {
            Some(_) => Err(ErrorKind::AccountDisabled.into()),
            None => Ok(()),
        }
    }

    /// Returns whether a credential is an identity that is barred.
    pub(crate) async fn is_barred(&self, credential: &Credential) -> Result<bool, AuthError> {
        let is_identity = credential.kind == CredentialKind::Identity;
        Ok(is_identity && self.bar_of(&credential.lookup).await?.is_some())
    }

    /// Returns the bar that a link lifts, if there is one. A link that was begun before the bar is
    /// rejected.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccountDisabled`]; [`ErrorKind::Unavailable`].
    pub(super) async fn bar_to_lift(
        &self,
        lookup: &str,
        begun_at: Timestamp,
    ) -> Result<Option<Bar>, AuthError> {
        match self.bar_of(lookup).await? {
            Some(bar) if bar.is_after(begun_at) => Err(ErrorKind::AccountDisabled.into()),
            bar => Ok(bar),
        }
    }

    /// Lifts a bar, because the identity was linked again. A bar that was set since remains.
    pub(super) async fn lift(&self, lookup: &str, bar: &Bar) -> Result<(), AuthError> {
        self.change_bar(lookup, |state| State {
            is_linked_again: state.is_linked_again || state.token == bar.0.token,
            ..state.clone()
        })
        .await
    }

    /// Bars an identity because of an event of its provider.
    pub(super) async fn bar(
        &self,
        lookup: &str,
        token: &Digest,
        issued_at: Timestamp,
    ) -> Result<(), AuthError> {
        let now = whole_millis(self.clock.now());
        self.change_bar(lookup, |state| state.bar(token, issued_at, now)).await
    }

    /// Lifts a bar that is older than an event of the provider.
    pub(super) async fn enable(&self, lookup: &str, issued_at: Timestamp) -> Result<(), AuthError> {
        self.change_bar(lookup, |state| state.enable(issued_at)).await
    }

    async fn change_bar(
        &self,
        lookup: &str,
        change: impl Fn(&State) -> State + Send,
    ) -> Result<(), AuthError> {
        let id = id_of(lookup);
        for _ in 0..MAX_ATTEMPTS {
            let now = whole_millis(self.clock.now());
            let found = self.challenges.find_challenge(&id, now).await?;
            let before = found.as_ref().map(read).transpose()?.unwrap_or_default();
            let after_it = change(&before);
            if found.is_some() && after_it == before {
                return Ok(());
            }
            let data = serde_json::to_value(after_it).map_err(AuthError::misconfigured)?;
            let is_written = match found {
                Some(found) => {
                    let replaced = self.challenges.replace_data(&id, &found.data, &data, None, now);
                    replaced.await?
                }
                None => {
                    let challenge = Challenge::new(
                        ChallengeKind::BarredIdentity,
                        id,
                        data,
                        (now, after(now, LIFETIME)),
                    );
                    self.challenges.insert_challenge(&challenge).await?
                }
            };
            if is_written {
                return Ok(());
            }
        }
        Err(StoreError::new("the bar of an identity was changed during every attempt").into())
    }

    /// Returns the outcome of a sign-in unless its identity is barred, or else ends the session. It
    /// is called after the session or challenge was created: an earlier bar is detected here, and a
    /// later one ends the session itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccountDisabled`]; [`ErrorKind::Unavailable`].
    pub(crate) async fn unless_barred(
        &self,
        upstream: Option<&IdpSession>,
        outcome: Outcome,
    ) -> Result<Outcome, AuthError> {
        let lookup = upstream.and_then(|own| {
            let provider = self.providers.find(&own.provider)?;
            Some(lookup_of(&provider, own.issuer.as_deref(), &own.subject))
        });
        let Some(lookup) = lookup else { return Ok(outcome) };
        let checked = self.require_not_barred(&lookup).await;
        if let (Err(_), Outcome::Complete(complete)) = (&checked, &outcome) {
            let session = &complete.1.session;
            self.sessions.revoke_own(session.id, &session.user_id).await?;
        }
        checked.map(|()| outcome)
    }
}

fn id_of(lookup: &str) -> Digest {
    Digest::hash(Domain::BARRED_IDENTITY, lookup.as_bytes())
}

fn read(found: &Challenge) -> Result<State, StoreError> {
    serde_json::from_value(found.data.clone()).map_err(StoreError::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token(id: &str) -> Digest {
        Digest::hash(Domain::SECURITY_EVENT, id.as_bytes())
    }

    /// The order in which events arrive does not matter, and an event counts once.
    #[test]
    fn younger_event_decides_in_any_order() {
        let barred = State::default().bar(&token("1"), at(100), at(200));
        assert!(barred.is_barred());
        for (enabled, expected) in [(99, true), (100, true), (101, false)] {
            let state = barred.enable(at(enabled));
            assert_eq!(state.is_barred(), expected, "{enabled}");
            let state = State::default().enable(at(enabled)).bar(&token("1"), at(100), at(200));
            assert_eq!(state.is_barred(), expected, "{enabled}, in the other order");
            assert!(state.bar(&token("2"), at(enabled + 1), at(300)).is_barred());
        }
        let again = State { is_linked_again: true, ..barred.clone() };
        assert!(!again.is_barred());
        assert_eq!(again.bar(&token("1"), at(100), at(300)), again, "the same event");
        assert!(again.bar(&token("2"), at(100), at(300)).is_barred(), "another event");
        let late = barred.bar(&token("3"), at(50), at(300));
        assert_eq!(late, barred, "an older event");
        assert_eq!(again.bar(&token("3"), at(50), at(300)), again, "also after a link");
        assert_eq!(State::default().enable(at(5)).enable(at(3)).enabled, Some(at(5)));
    }
}
