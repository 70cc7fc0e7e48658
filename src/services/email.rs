//! Changes of an email address, and links that revert them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Asked, Letterhead, Outcome, Pending, second_step::read};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    mail::{MailContent, MailObject, MessageKind, Occasion},
    model::{ClientInfo, Email, Factor, FactorProof, Session, User, UserId},
    services::{Core, ResetPolicy},
    store::{
        AccountWrites, Applied, Challenge, ChallengeKind, CredentialKind, EndSessions, Remove,
        Requirement,
    },
};

/// The policy of reset links if the flow for password resets is not registered.
const RESETS: (Duration, u32) = (Duration::from_secs(30 * 60), 10);

/// The state of an account when a change of the email address was requested, so that an undo can
/// remove what was added since.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Snapshot {
    /// The previous address, which can revert the change.
    former: Email,
    /// The new address.
    to: Email,
    /// The number of the change: an undo reverts its own change and all later ones.
    number: u32,
    credentials: Vec<String>,
    keys: Vec<String>,
}

/// A change of the email address that was reverted.
#[derive(Debug)]
#[non_exhaustive]
pub struct EmailUndone {
    /// The token that sets a new password.
    pub reset_token: TokenString,
    /// The time at which the token expires.
    pub expires_at: Timestamp,
}

impl Core {
    /// Sends a code to a new email address, and notifies the former one if it was verified.
    ///
    /// One transaction stores the challenge and the undo link. It requires that the session exists
    /// and that the account still has the former email address, so it writes neither after an undo.
    pub(crate) async fn request_email_change(
        &self,
        user: &User,
        session: &Session,
        new: &Email,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        let kind = ChallengeKind::EmailChange;
        let snapshot = self.snapshot(user, new).await?;
        let mut data = Map::new();
        data.insert("former".to_owned(), json!(user.email));
        data.insert("session".to_owned(), json!(session.id));
        data.insert("undo".to_owned(), json!(snapshot));
        let letter = Letterhead { kind: MessageKind::EmailChangeCode, to: new, user: Some(user) };
        let prepared = self.prepare(Asked { kind, letter, decoy: false, data, client }).await?;
        let undo = snapshot.map(|own| {
            Ok::<_, AuthError>((self.undo_link(&user.id, own.number, json!({ "undo": own }))?, own))
        });
        let undo = undo.transpose()?;
        let links = undo.iter().map(|(undo, _)| &undo.challenge);
        let challenges: Vec<_> = prepared.challenge().into_iter().chain(links).cloned().collect();
        let letter = undo.map(|(undo, snapshot)| {
            let about = Occasion::of(client).what(new.as_str());
            let letter = MailContent::new(MessageKind::EmailChangeRequested, snapshot.former);
            undo.add_to(letter.about(about))
        });
        let notices = self.notices(user, letter);
        let mails = notices.rows();
        let request = |own: &User| {
            let is_same = own.email == user.email
                && own.email_verified_at.is_some() == user.email_verified_at.is_some();
            (own.is_active() && is_same).then(|| AccountWrites {
                requires: vec![Requirement::session(session)],
                end_challenges_of: Some(kind),
                challenges: challenges.clone(),
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        let Applied::Done(_) = self.users.apply(&user.id, &request).await? else {
            return Err(ErrorKind::InvalidToken.into());
        };
        let pending = prepared.send();
        let event = self.event(EventKind::EmailChangeRequested).user(&user.id);
        self.events.record(event.session(session.id).client(client));
        notices.send();
        pending
    }

    /// Applies a change whose code was verified, on the session that requested it.
    pub(crate) async fn complete_email_change(
        &self,
        challenge: &Challenge,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let expired = || AuthError::from(ErrorKind::ChallengeExpired);
        let now = whole_millis(self.clock.now());
        let new = challenge.address.clone().ok_or_else(expired)?;
        let former: Option<Email> = read(&challenge.data, "former")?;
        let snapshot: Option<Snapshot> = read(&challenge.data, "undo")?;
        let undo = snapshot.map(|own| {
            Ok::<_, AuthError>((self.undo_link(&user.id, own.number, json!({ "undo": own }))?, own))
        });
        let undo = undo.transpose()?;
        let challenges: Vec<_> = undo.iter().map(|(undo, _)| undo.challenge.clone()).collect();
        let letter = undo.map(|(undo, snapshot)| {
            let about = Occasion::of(client).what(snapshot.to.as_str());
            let letter = MailContent::new(MessageKind::EmailChanged, snapshot.former).about(about);
            undo.add_to(letter)
        });
        let notices = self.notices(user, letter);
        let mails = notices.rows();
        let proof = FactorProof::new(Factor::EmailCode, now);
        let change = |own: &User| {
            if !own.is_active() || own.email != former {
                return None;
            }
            let after = User {
                email: Some(new.clone()),
                email_verified_at: Some(now),
                updated_at: now,
                ..own.clone()
            };
            Some(AccountWrites {
                end: EndSessions::Others(session.id),
                end_challenges: true,
                challenges: challenges.clone(),
                mails: mails.clone(),
                ..AccountWrites::new(after)
            })
        };
        let changed = match self.sessions.renew_within(session, Some(proof), &change).await?.done()
        {
            Ok(renewed) => Some(renewed),
            Err(Applied::SessionEnded(_)) => None,
            Err(Applied::Taken) => return Err(ErrorKind::EmailTaken.into()),
            Err(Applied::Unsupported(_)) => return Err(ErrorKind::Forbidden.into()),
            Err(_) => return Err(expired()),
        };
        self.events.record(self.event(EventKind::EmailChanged).user(&user.id));
        notices.send();
        let (changed, issued) = changed.ok_or(ErrorKind::InvalidToken)?;
        Ok(Outcome::complete(changed, issued))
    }

    /// Reverts a change of the email address together with every later one.
    pub(crate) async fn undo_email_change(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<EmailUndone, AuthError> {
        let invalid = || AuthError::from(ErrorKind::InvalidLink);
        let handle = OneTimeToken::parse(TokenPurpose::Link, token).ok_or_else(invalid)?;
        let (link, now) = (handle.digest(), whole_millis(self.clock.now()));
        let found = self.challenges.find_challenge(&link, now).await?;
        let found = found.filter(|own| own.kind == ChallengeKind::EmailUndo).ok_or_else(invalid)?;
        let id = found.user_id.clone().ok_or_else(invalid)?;
        let snapshot: Snapshot = read(&found.data, "undo").map_err(|_| invalid())?;
        let before = self.users.find_user(&id).await?.ok_or_else(invalid)?;
        let (reset, undone) = self.reset_for(&id, &snapshot.former, now)?;
        let restore = |own: &User| {
            let verified =
                own.email_verified_at.filter(|_| own.email.as_ref() == Some(&snapshot.former));
            let after = User {
                email: Some(snapshot.former.clone()),
                email_verified_at: Some(verified.unwrap_or(now)),
                updated_at: now,
                ..own.clone()
            };
            own.is_active().then(|| AccountWrites {
                requires: vec![Requirement::Challenge(link, now)],
                remove: Remove::AllBut {
                    credentials: snapshot.credentials.clone(),
                    keys: snapshot.keys.clone(),
                },
                end: EndSessions::All,
                end_challenges: true,
                end_undo_links: Some(snapshot.number),
                challenges: vec![reset.clone()],
                ..AccountWrites::new(after)
            })
        };
        let mut applied = self.users.apply(&id, &restore).await?;
        if matches!(applied, Applied::Taken) && self.displace(&snapshot.former, now).await? {
            applied = self.users.apply(&id, &restore).await?;
        }
        let user = match applied {
            Applied::Done(user) => *user,
            Applied::Taken => return Err(ErrorKind::EmailTaken.into()),
            Applied::Unsupported(_) => return Err(ErrorKind::Forbidden.into()),
            _ => return Err(invalid()),
        };
        self.events.record(self.event(EventKind::EmailChangeUndone).user(&id));
        self.tell_undone(&user, before.email, &snapshot, client).await;
        Ok(undone)
    }

    /// Notifies both email addresses. The message to the restored one lists the remaining
    /// credentials.
    async fn tell_undone(
        &self,
        user: &User,
        before: Option<Email>,
        snapshot: &Snapshot,
        client: &ClientInfo,
    ) {
        let kind = MessageKind::EmailChangeUndone;
        let other = before.filter(|email| *email != snapshot.former);
        let other = other.unwrap_or_else(|| snapshot.to.clone());
        let about = Occasion::of(client);
        self.notify_by(user, MailContent::new(kind, other).about(about.clone()));
        let listed = after_commit(
            "the message about an undone email change lists no credentials",
            self.remaining(&user.id),
        );
        let about = Occasion { items: listed.await.unwrap_or_default(), ..about };
        self.notify_by(user, MailContent::new(kind, snapshot.former.clone()).about(about));
    }

    /// Returns the credentials and keys of a user with the time each was added.
    pub(super) async fn remaining(
        &self,
        user: &UserId,
    ) -> Result<Vec<(MailObject, Timestamp)>, AuthError> {
        let named = |kind, data: &Value| {
            let text = |name| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            match kind {
                CredentialKind::Password => MailObject::Password,
                CredentialKind::Identity => MailObject::ProviderSignIn(text("provider")),
                CredentialKind::Passkey if data.get("second_factor") == Some(&json!(true)) => {
                    MailObject::SecurityKey(text("name"))
                }
                CredentialKind::Passkey => MailObject::Passkey(text("name")),
                CredentialKind::Totp => MailObject::AuthenticatorApp(text("name")),
                CredentialKind::RecoveryCodes => MailObject::RecoveryCodes,
                _ => MailObject::OtherCredential,
            }
        };
        let all = self.credentials.list_credentials(user).await?;
        let all = all.iter().filter(|own| own.kind != CredentialKind::TwoStep);
        let own = all.map(|own| (named(own.kind, &own.data), own.created_at));
        let keys = self.keys.list_keys(Some(user)).await?;
        let keys = keys.iter();
        let keys = keys.map(|key| (MailObject::ApiKey(key.name.clone()), key.created_at));
        Ok(own.chain(keys).collect())
    }

    /// Removes an email address from an account that has not verified it.
    async fn displace(&self, email: &Email, now: Timestamp) -> Result<bool, AuthError> {
        let Some(holder) = self.users.find_user_by_email(email).await? else { return Ok(true) };
        let give_up = |own: &User| {
            let unproved = own.email.as_ref() == Some(email) && own.email_verified_at.is_none();
            let after = User { email: None, updated_at: now, ..own.clone() };
            unproved.then(|| AccountWrites {
                end: EndSessions::All,
                end_challenges: true,
                ..AccountWrites::new(after)
            })
        };
        Ok(matches!(self.users.apply(&holder.id, &give_up).await?, Applied::Done(_)))
    }

    fn reset_for(
        &self,
        user: &UserId,
        to: &Email,
        now: Timestamp,
    ) -> Result<(Challenge, EmailUndone), AuthError> {
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let policy = self.offered::<ResetPolicy>();
        let (lifetime, attempts) = policy.map_or(RESETS, |own| (own.lifetime, own.attempts));
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Reset,
            user_id: Some(user.clone()),
            address: Some(to.clone()),
            code: None,
            tries: attempts,
            data: json!({}),
            created_at: now,
            expires_at: after(now, lifetime),
        };
        let expires_at = challenge.expires_at;
        Ok((challenge, EmailUndone { reset_token: handle.to_token(), expires_at }))
    }

    /// Returns the state that an undo restores, or `None` if the address is not verified and so may
    /// belong to another person.
    async fn snapshot(&self, user: &User, to: &Email) -> Result<Option<Snapshot>, AuthError> {
        let Some(former) = user.verified_email().cloned() else {
            return Ok(None);
        };
        let kind = ChallengeKind::EmailUndo;
        let links = self.challenges.list_challenges(&user.id, kind).await?;
        let last = links.iter().map(|link| link.tries).max().unwrap_or_default();
        let all = self.credentials.list_credentials(&user.id).await?;
        let own = all.into_iter().filter(|own| own.kind != CredentialKind::Password);
        let keys = self.keys.list_keys(Some(&user.id)).await?;
        Ok(Some(Snapshot {
            former,
            to: to.clone(),
            number: last.saturating_add(1),
            credentials: own.map(|own| own.id).collect(),
            keys: keys.iter().map(|key| key.id.to_string()).collect(),
        }))
    }
}
