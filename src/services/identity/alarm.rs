//! Security events of providers: the sessions of an identity end, or it is barred.
//!
//! All effects of an event but its message can be repeated. They come first, and the transaction that
//! stores the id of the token with the message is the last step: an event whose processing fails is
//! processed again when the provider repeats it, and one that was processed has no further effect.

use std::time::Duration;

use serde_json::json;

use super::lookup_of;
use crate::{
    clock::{after, whole_millis},
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    event::{EventKind, record_act},
    mail::{MailObject, MessageKind, Occasion},
    model::{User, UserId},
    provider::{ProviderEvent, ProviderEvents, RegisteredProvider},
    services::Core,
    store::{AccountWrites, Applied, Challenge, ChallengeKind, CredentialKind, SessionTag, Unmet},
};

/// How long the id of a token is stored. A token is accepted for seven days.
const REMEMBERED: Duration = Duration::from_secs(8 * 24 * 3600);

macro_rules! risc {
    ($name:literal) => {
        concat!("https://schemas.openid.net/secevent/risc/event-type/", $name)
    };
}

macro_rules! caep {
    ($name:literal) => {
        concat!("https://schemas.openid.net/secevent/caep/event-type/", $name)
    };
}

const ACCOUNT_DISABLED: &str = risc!("account-disabled");
const ACCOUNT_ENABLED: &str = risc!("account-enabled");

/// The reason of a disabled account that bars its identity.
const HIJACKING: &str = "hijacking";

/// The events that bar an identity. The last one is the name that Apple has for it.
const BARRING: &[&str] = &[risc!("account-purged"), risc!("account-deleted"), "account-deleted"];

/// The other events that end sessions.
const ENDING: &[&str] = &[
    ACCOUNT_DISABLED,
    risc!("sessions-revoked"),
    risc!("credential-compromise"),
    risc!("consent-revoked"),
    caep!("session-revoked"),
    caep!("credential-change"),
    "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked",
    // Of Apple.
    "consent-revoked",
];

/// The events by which a provider verifies that events arrive.
const VERIFICATION: &[&str] = &[
    risc!("verification"),
    "https://schemas.openid.net/secevent/ssf/event-type/verification",
    "https://schemas.openid.net/secevent/sse/event-type/verification",
];

/// The effect of an event on an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Its sessions end.
    End,
    /// They end, and it is barred.
    Bar,
    /// An older bar is lifted.
    Enable,
}

fn effect_of(event: &ProviderEvent) -> Option<Effect> {
    match &*event.kind {
        ACCOUNT_ENABLED => Some(Effect::Enable),
        ACCOUNT_DISABLED if event.reason.as_deref() == Some(HIJACKING) => Some(Effect::Bar),
        kind if BARRING.contains(&kind) => Some(Effect::Bar),
        kind if ENDING.contains(&kind) => Some(Effect::End),
        _ => None,
    }
}

/// The events about one identity.
#[derive(Debug)]
struct Alarm {
    issuer: Option<String>,
    subject: String,
    effects: Vec<Effect>,
    /// The events that end sessions.
    kinds: Vec<String>,
}

/// Returns the events that have an effect, by identity.
fn alarms_of(events: Vec<ProviderEvent>) -> Vec<Alarm> {
    let mut all: Vec<Alarm> = Vec::new();
    for event in events {
        let effect = effect_of(&event);
        let ProviderEvent { kind, subject, issuer, .. } = event;
        let Some((subject, effect)) = subject.zip(effect) else { continue };
        let place = all.iter().position(|own| own.subject == subject && own.issuer == issuer);
        let mut alarm = match place {
            Some(place) => all.swap_remove(place),
            None => Alarm { issuer, subject, effects: Vec::new(), kinds: Vec::new() },
        };
        alarm.effects.push(effect);
        if effect != Effect::Enable {
            alarm.kinds.push(kind);
        }
        all.push(alarm);
    }
    all
}

impl Core {
    /// Processes the verified events of a provider, once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails: the provider has to send them again.
    pub(crate) async fn receive_events(
        &self,
        provider: &RegisteredProvider,
        received: ProviderEvents,
    ) -> Result<(), AuthError> {
        let ProviderEvents { id, issued_at, events } = received;
        let token = format!("{}\n{id}", provider.id());
        let token = Digest::hash(Domain::SECURITY_EVENT, token.as_bytes());
        if self.challenges.find_challenge(&token, self.clock.now()).await?.is_some() {
            return Ok(());
        }
        let is_verification = |event: &ProviderEvent| VERIFICATION.contains(&&*event.kind);
        let verifies = events.iter().any(is_verification);
        let alarms = alarms_of(events);
        // The events of each user, who can have several of the identities.
        let mut known: Vec<(UserId, Vec<String>)> = Vec::new();
        for alarm in &alarms {
            let lookup = lookup_of(provider, alarm.issuer.as_deref(), &alarm.subject);
            if alarm.effects.contains(&Effect::Bar) {
                self.bar(&lookup, &token, issued_at).await?;
            }
            if alarm.effects.contains(&Effect::Enable) {
                self.enable(&lookup, issued_at).await?;
            }
            if alarm.kinds.is_empty() {
                continue;
            }
            self.end_of_identity(provider, alarm.issuer.as_deref(), &alarm.subject).await?;
            let kind = CredentialKind::Identity;
            if let Some(identity) = self.credentials.find_credential(kind, &lookup).await? {
                match known.iter_mut().find(|(user, _)| *user == identity.user_id) {
                    Some((_, kinds)) => kinds.extend_from_slice(&alarm.kinds),
                    None => known.push((identity.user_id, alarm.kinds.clone())),
                }
            }
        }
        let mut seen = Some(self.seen_token(token));
        while let Some((user, kinds)) = known.pop() {
            // With the message to the last user, so that none is missed.
            let seen = if known.is_empty() { seen.take() } else { None };
            if !self.raise(provider, &user, &kinds, seen).await? {
                return Ok(());
            }
        }
        if let Some(seen) = seen
            && !self.challenges.insert_challenge(&seen).await?
        {
            return Ok(());
        }
        if verifies {
            let event = self.event(EventKind::ProviderEventsVerified);
            record_act(&*self.events, event.with("provider", provider.id()), None);
        }
        Ok(())
    }

    /// Ends the sessions that an identity began, with the pending sign-ins that would begin one, and
    /// what these sessions approved.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    async fn end_of_identity(
        &self,
        provider: &RegisteredProvider,
        issuer: Option<&str>,
        subject: &str,
    ) -> Result<(), AuthError> {
        let (id, issuer) = (provider.id(), provider.other_issuer(issuer));
        self.sessions.end_tagged(&[SessionTag::of_subject(id, issuer, subject)]).await?;
        self.sessions.end_tagged(&[SessionTag::of_approver(id, subject)]).await?;
        Ok(())
    }

    /// Stores the message to a user, with the id of the token if given, and records the events.
    /// Returns `false` if the token was processed in the meantime.
    async fn raise(
        &self,
        provider: &RegisteredProvider,
        user: &UserId,
        kinds: &[String],
        seen: Option<Challenge>,
    ) -> Result<bool, AuthError> {
        let found = self.users.find_user(user).await?;
        let is_new = match &found {
            Some(found) => self.notify_of_alarm(provider, found, seen.as_ref()).await?,
            None => match &seen {
                Some(seen) => self.challenges.insert_challenge(seen).await?,
                None => true,
            },
        };
        if is_new {
            for kind in kinds {
                let event = self.event(EventKind::ProviderAlarm).user(user);
                let event = event.with("provider", provider.id()).with("kind", kind.as_str());
                record_act(&*self.events, event, None);
            }
        }
        Ok(is_new)
    }

    async fn notify_of_alarm(
        &self,
        provider: &RegisteredProvider,
        user: &User,
        seen: Option<&Challenge>,
    ) -> Result<bool, AuthError> {
        let is_listed =
            |item: &MailObject| !matches!(item, MailObject::Password | MailObject::RecoveryCodes);
        let mut items = self.remaining(&user.id).await?;
        items.retain(|(item, _)| is_listed(item));
        let what = MailObject::ProviderSignIn(provider.id().to_owned());
        let about = Occasion { items, ..Occasion::default().what(what) };
        let notice = self.notice(user, MessageKind::ProviderAlarm, about);
        let (mails, challenges) = (notice.rows(), Vec::from_iter(seen.cloned()));
        let store = |own: &User| {
            Some(AccountWrites {
                challenges: challenges.clone(),
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        match self.users.apply(&user.id, &store).await? {
            Applied::Done(_) => {
                notice.send();
                Ok(true)
            }
            Applied::Unmet(Unmet::Taken) => Ok(false),
            // The provider sends the events again, and the user is read again.
            _ => Err(ErrorKind::Unavailable.into()),
        }
    }

    fn seen_token(&self, id: Digest) -> Challenge {
        let now = whole_millis(self.clock.now());
        Challenge::new(ChallengeKind::SecurityEvent, id, json!({}), (now, after(now, REMEMBERED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_by_their_whole_uri() {
        let effect = |kind: &str, reason: Option<&str>| {
            let event = ProviderEvent::new(kind).subject("1");
            effect_of(&reason.into_iter().fold(event, ProviderEvent::reason))
        };
        for (kind, reason, expected) in [
            (risc!("account-disabled"), None, Some(Effect::End)),
            (risc!("account-disabled"), Some("bulk-account"), Some(Effect::End)),
            (risc!("account-disabled"), Some("hijacking"), Some(Effect::Bar)),
            (risc!("account-purged"), None, Some(Effect::Bar)),
            (risc!("account-deleted"), None, Some(Effect::Bar)),
            ("account-deleted", None, Some(Effect::Bar)),
            ("consent-revoked", None, Some(Effect::End)),
            (risc!("account-enabled"), None, Some(Effect::Enable)),
            (caep!("session-revoked"), Some("hijacking"), Some(Effect::End)),
            (caep!("sessions-revoked"), None, None),
            (risc!("identifier-changed"), None, None),
            ("sessions-revoked", None, None),
            ("https://evil.example/event-type/sessions-revoked", None, None),
            ("", None, None),
        ] {
            assert_eq!(effect(kind, reason), expected, "{kind} {reason:?}");
        }
    }

    #[test]
    fn events_are_grouped_by_identity() {
        let event = |kind: &str, subject: &str| ProviderEvent::new(kind).subject(subject);
        let all = alarms_of(vec![
            event(risc!("account-purged"), "1"),
            event(caep!("session-revoked"), "2"),
            event(caep!("credential-change"), "1"),
            event(risc!("account-enabled"), "3"),
            ProviderEvent::new(caep!("session-revoked")),
            event(caep!("session-revoked"), "1").issuer("https://other.example"),
        ]);
        let of = |subject: &str, issuer: Option<&str>| {
            let found =
                all.iter().find(|own| own.subject == subject && own.issuer.as_deref() == issuer);
            found.map(|own| own.kinds.len())
        };
        assert_eq!(all.len(), 4);
        assert_eq!((of("1", None), of("2", None), of("3", None)), (Some(2), Some(1), Some(0)));
        assert_eq!(of("1", Some("https://other.example")), Some(1));
    }
}
