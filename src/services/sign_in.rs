//! Sign-ins after the first factor.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Letterhead, Outcome,
    claim::{self, Claim},
    code::Asked,
    device::is_remembered,
};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        digest::{Digest, Domain},
        handle::{OneTimeToken, TokenPurpose},
    },
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Factor, FactorProof, IdpSession, Session, Transport, User, UserId},
    services::{Core, PasskeyFactor},
    session::NewSession,
    store::{
        AccountWrites, Challenge, ChallengeKind, Credential, CredentialKind, Requirement, Use,
    },
};

/// The time for which a device is known after its last sign-in.
const SEEN: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

/// A sign-in whose first factor was verified.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) user: User,
    pub(crate) proof: FactorProof,
    pub(crate) transport: Transport,
    pub(crate) client: ClientInfo,
    /// The remembered device that it comes from, which may be that of another user.
    pub(crate) device: Option<Challenge>,
    pub(crate) upstream: Option<IdpSession>,
    /// The use of the verified credential, if it stores one.
    pub(crate) using: Option<Use>,
    /// The credential that was verified, which must be unchanged when the sign-in completes.
    pub(crate) verified: Option<Verified>,
    /// Whether the verification included a second factor.
    pub(crate) is_multi_factor: bool,
}

/// A credential that a sign-in verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    id: String,
    /// The time of its last change, if a change ends pending sign-ins.
    unchanged_since: Option<Timestamp>,
}

impl Verified {
    /// Returns a password with the time of its last change.
    pub(crate) fn password(own: &Credential) -> Self {
        Self { id: own.id.clone(), unchanged_since: Some(own.updated_at) }
    }

    /// Returns a passkey or an identity, which must still exist.
    pub(crate) fn existing(own: &Credential) -> Self {
        Self { id: own.id.clone(), unchanged_since: None }
    }

    pub(crate) fn requirement(&self) -> Requirement {
        Requirement::Credential(self.id.clone(), self.unchanged_since)
    }
}

impl Attempt {
    pub(crate) fn new(
        user: User,
        proof: FactorProof,
        transport: Transport,
        client: ClientInfo,
    ) -> Self {
        Self {
            user,
            proof,
            transport,
            client,
            device: None,
            upstream: None,
            using: None,
            verified: None,
            is_multi_factor: proof.method == Factor::Passkey,
        }
    }
}

impl Core {
    /// Creates a session, unless the sign-in requires another factor on a device that is not
    /// remembered: one of a flow outside this crate, or an email code. An email address that is not
    /// verified requires a code on every device.
    pub(crate) async fn finish_sign_in(&self, attempt: Attempt) -> Result<Outcome, AuthError> {
        self.may_sign_in(&attempt.user, attempt.proof.method, &attempt.client).await?;
        if !is_remembered(&attempt.user, attempt.device.as_ref()) {
            let required = self.required_factors(&attempt).await?;
            if !required.is_empty() {
                let methods = required.iter().map(|factor| factor.factor().as_str()).collect();
                return self.require_factors(attempt, methods).await;
            }
        }
        let Attempt { user, proof, transport, client, device, upstream, using, verified, .. } =
            attempt;
        let unproved = user.email_verified_at.is_none();
        let wanted = match self.codes() {
            None => false,
            Some(policy) if policy.sign_up && unproved => true,
            // A passkey counts as two factors, and is stronger than a code.
            Some(_) if proof.method == Factor::Passkey => false,
            Some(policy) => policy.sign_in && !is_remembered(&user, device.as_ref()),
        };
        let Some(email) = user.email.as_ref().filter(|_| wanted) else {
            let beginning =
                NewSession { upstream, using, ..NewSession::new(vec![proof], transport, client) };
            let session = self.sessions.create_with(&user, beginning).await?;
            self.note_device(&user, &session.session, true);
            return Ok(Outcome::complete(user, session));
        };
        if let Some(using) = &using
            && !self.credentials.use_credential(using).await?
        {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let mut data = Map::new();
        data.insert("factors".to_owned(), json!([proof]));
        data.insert("transport".to_owned(), json!(transport));
        data.insert("upstream".to_owned(), json!(upstream));
        data.insert("verified".to_owned(), json!(verified));
        let letter = Letterhead { kind: MessageKind::SignInCode, to: email, user: Some(&user) };
        let asked =
            Asked { kind: ChallengeKind::SignIn, letter, decoy: false, data, client: &client };
        let has_passkey = !unproved && self.has_passkey(&user.id).await?;
        let mut pending = self.ask(asked).await?;
        pending.methods.extend(has_passkey.then_some("passkey"));
        Ok(Outcome::Pending(pending))
    }

    /// Returns whether a user has a passkey.
    async fn has_passkey(&self, user: &UserId) -> Result<bool, AuthError> {
        if self.offered::<PasskeyFactor>().is_none() {
            return Ok(false);
        }
        let all = self.credentials.list_credentials(user).await?;
        Ok(all.iter().any(|own| own.kind == CredentialKind::Passkey))
    }

    /// Creates the session of a pending sign-in for which a passkey was verified in place of the
    /// code.
    pub(crate) async fn complete_by_passkey(
        &self,
        challenge: &Challenge,
        user: User,
        using: Use,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let proof = FactorProof::new(Factor::Passkey, whole_millis(self.clock.now()));
        let beginning =
            NewSession { using: Some(using), ..pending_session(challenge, proof, client)? };
        let verified: Option<Verified> = read(&challenge.data, "verified")?;
        let complete = |own: &User, _: Claim| {
            (own.is_active() && own.email == challenge.address).then(|| AccountWrites {
                requires: verified.iter().map(Verified::requirement).collect(),
                ..AccountWrites::new(own.clone())
            })
        };
        let begun = self.begin_claiming(&user.id, beginning, &complete).await?;
        let (user, issued) = begun.map_err(|_| AuthError::from(ErrorKind::InvalidCredentials))?;
        self.note_device(&user, &issued.session, true);
        Ok(Outcome::complete(user, issued))
    }

    /// Creates the session of a sign-in whose code was right. If the email address was not verified
    /// before, the account is claimed, unless the sign-in verified the password: password and
    /// mailbox together identify the same person.
    pub(crate) async fn complete_sign_in(
        &self,
        challenge: &Challenge,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let id = challenge.user_id.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let now = whole_millis(self.clock.now());
        let proof = FactorProof::new(Factor::EmailCode, now);
        let beginning = pending_session(challenge, proof, client)?;
        let by_password = beginning.factors.iter().any(|own| own.method == Factor::Password);
        let verified: Option<Verified> = read(&challenge.data, "verified")?;
        let first = AtomicBool::new(false);
        let complete = |own: &User, claim: Claim| {
            if !own.is_active() || own.email != challenge.address {
                return None;
            }
            let unproved = own.email_verified_at.is_none();
            first.store(unproved, Ordering::Relaxed);
            let mut writes = match (unproved, by_password) {
                (true, false) => claim.of(own, verified.iter().map(|own| own.id.clone()).collect()),
                (true, true) => AccountWrites::new(claim::verified(own, now)),
                (false, _) => AccountWrites::new(own.clone()),
            };
            writes.requires.extend(verified.iter().map(Verified::requirement));
            Some(writes)
        };
        let begun = self.begin_claiming(id, beginning, &complete).await?;
        let (user, issued) = begun.map_err(|applied| claim::expired(&applied))?;
        match (first.into_inner(), by_password) {
            (true, true) => self.events.record(self.event(EventKind::EmailVerified).user(id)),
            (true, false) => self.record_claim(id),
            (false, _) => {}
        }
        self.note_device(&user, &issued.session, true);
        Ok(Outcome::complete(user, issued))
    }

    /// Creates a token that exempts the device of a new session from email codes for a time.
    /// Returns `None` if the token cannot be stored, or if the session has ended, because the
    /// revocation of all sessions also deletes remembered devices.
    pub(crate) async fn remember_device(
        &self,
        user: &User,
        session: &Session,
    ) -> Option<OneTimeToken> {
        let remember = async {
            let life = self.code_policy()?.remember;
            let handle = OneTimeToken::random(TokenPurpose::Device)?;
            let challenge = self.of_user(ChallengeKind::Device, handle.digest(), user, life);
            let is_kept = self.challenges.insert_of_session(&challenge, session.id).await?;
            Ok::<_, AuthError>(is_kept.then_some(handle))
        };
        after_commit("a device is not remembered", remember).await?
    }

    /// Records the kind of device of a sign-in, and notifies the user of a new one if `tell` is
    /// set.
    pub(crate) fn note_device(&self, user: &User, session: &Session, tell: bool) {
        if !self.notices || self.outbox.is_none() {
            return;
        }
        let agent = session.client.user_agent.as_deref().unwrap_or_default();
        let id = Digest::hash(Domain::DEVICE, format!("{}\0{agent}", user.id).as_bytes());
        let challenge = self.of_user(ChallengeKind::Seen, id, user, SEEN);
        let about = Occasion::of(&session.client);
        let (core, user, session) = (self.shared(), user.clone(), session.id);
        let Some(core) = core else { return };
        tokio::spawn(async move {
            match core.challenges.insert_of_session(&challenge, session).await {
                Ok(true) if tell => {
                    let event = core.event(EventKind::NewDevice).user(&user.id);
                    core.events.record(event.session(session));
                    core.notify(&user, MessageKind::NewDevice, about);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "the device of a sign-in was not recorded")
                }
            }
        });
    }

    pub(super) fn of_user(
        &self,
        kind: ChallengeKind,
        id: Digest,
        user: &User,
        life: std::time::Duration,
    ) -> Challenge {
        let now = whole_millis(self.clock.now());
        Challenge {
            id,
            kind,
            user_id: Some(user.id.clone()),
            address: user.email.clone(),
            code: None,
            tries: 0,
            data: Value::Object(Map::new()),
            created_at: now,
            expires_at: after(now, life),
        }
    }
}

/// Returns the session that a pending sign-in creates.
pub(super) fn pending_session(
    challenge: &Challenge,
    proof: FactorProof,
    client: ClientInfo,
) -> Result<NewSession, AuthError> {
    let data = &challenge.data;
    let mut factors: Vec<FactorProof> = read(data, "factors")?;
    factors.push(proof);
    let (transport, upstream) = (read(data, "transport")?, read(data, "upstream")?);
    Ok(NewSession { upstream, ..NewSession::new(factors, transport, client) })
}

pub(super) fn read<T: serde::de::DeserializeOwned>(
    data: &Value,
    name: &str,
) -> Result<T, AuthError> {
    let value = data.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|_| ErrorKind::ChallengeExpired.into())
}
