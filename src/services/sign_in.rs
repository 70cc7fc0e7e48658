//! Sign-ins after the first factor.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Outcome, adding::AddingCredential, device::is_remembered};
use crate::{
    clock::{after, whole_millis},
    crypto::digest::{Digest, Domain},
    error::AuthError,
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Email, Factor, FactorProof, IdpSession, Session, TokenDelivery, User},
    services::Core,
    session::NewSession,
    store::{Challenge, ChallengeKind, Credential, CredentialUpdate, Requirement, SessionTag},
};

/// The time for which a device is known after its last sign-in.
const SEEN: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

/// A sign-in whose first factor was verified.
#[derive(Debug)]
pub(crate) struct SignInAttempt {
    pub(crate) user: User,
    /// The factors that were verified, in this order.
    pub(crate) proofs: Vec<FactorProof>,
    pub(crate) delivery: TokenDelivery,
    pub(crate) client: ClientInfo,
    /// The remembered device that it comes from, which may be that of another user.
    pub(crate) device: Option<Challenge>,
    pub(crate) upstream: Option<IdpSession>,
    /// The use of the verified credential, if it stores one.
    pub(crate) using: Option<CredentialUpdate>,
    /// The credential that was verified, which must be unchanged when the sign-in completes.
    pub(crate) verified: Option<Verified>,
    /// Whether the verification included a second factor.
    pub(crate) is_multi_factor: bool,
    /// The credentials of the user, if they were read.
    pub(crate) credentials: Option<Vec<Credential>>,
    /// Ids of the credentials of second factors that were verified.
    pub(crate) used: Vec<String>,
    /// The email address that the first factor verified. It must still be that of the user when the
    /// session begins, and an unverified account is claimed.
    pub(crate) mailbox: Option<Email>,
    /// The return target of the client.
    pub(crate) return_to: Option<String>,
    /// The tags of the session.
    pub(crate) tags: Vec<SessionTag>,
    /// The credential that is added when the session begins.
    pub(crate) adding: Option<AddingCredential>,
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

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn requirement(&self) -> Requirement {
        Requirement::Credential(self.id.clone(), self.unchanged_since)
    }
}

impl SignInAttempt {
    pub(crate) fn new(
        user: User,
        proof: FactorProof,
        delivery: impl Into<TokenDelivery>,
        client: ClientInfo,
    ) -> Self {
        Self {
            user,
            proofs: vec![proof],
            delivery: delivery.into(),
            client,
            device: None,
            upstream: None,
            using: None,
            verified: None,
            is_multi_factor: proof.method == Factor::Passkey || proof.is_multi_factor,
            credentials: None,
            used: Vec::new(),
            mailbox: None,
            return_to: None,
            tags: Vec::new(),
            adding: None,
        }
    }
}

impl Core {
    /// Begins a session for a verified first factor, or returns what the sign-in still requires.
    pub(crate) async fn finish_sign_in(
        &self,
        attempt: SignInAttempt,
    ) -> Result<Outcome, AuthError> {
        if let Some(first) = attempt.proofs.first() {
            self.may_sign_in(&attempt.user, first.method, &attempt.client).await?;
        }
        let methods = self.owed(&attempt).await?;
        if !methods.is_empty() {
            return self.require_factor(attempt, methods).await;
        }
        if attempt.mailbox.is_some() || attempt.adding.is_some() {
            let address = attempt.mailbox.clone().or_else(|| attempt.user.email.clone());
            return self.complete_at(address.as_ref(), attempt).await;
        }
        let SignInAttempt { user, proofs, delivery, client, device, upstream, using, tags, .. } =
            attempt;
        let beginning =
            NewSession { upstream, using, tags, ..NewSession::new(proofs, delivery, client) };
        let issued = self.sessions.create_with(&user, beginning).await?;
        self.note_device(&user, &issued.session, true);
        self.end_recoveries_by(&issued.session);
        if let Some(device) = device.filter(|device| is_remembered(&user, Some(device))) {
            self.device_was_used(&device, &issued.session).await;
        }
        Ok(Outcome::complete(user, issued))
    }

    /// Stores the kind of device of a sign-in, and notifies the user if it is a new one.
    pub(crate) fn note_device(&self, user: &User, session: &Session, tell: bool) {
        if !self.notices || self.outbox.is_none() {
            return;
        }
        let agent = session.client.user_agent.as_deref().unwrap_or_default();
        let id = Digest::hash(Domain::DEVICE, format!("{}\0{agent}", user.id).as_bytes());
        let challenge = self.of_user(ChallengeKind::KnownDevice, id, user, SEEN);
        let about = Occasion::of(&session.client);
        let client = session.client.clone();
        let (core, user, session) = (self.shared(), user.clone(), session.id);
        let Some(core) = core else { return };
        tokio::spawn(async move {
            match core.challenges.insert_of_session(&challenge, session).await {
                Ok(true) if tell => {
                    let event = core.event(EventKind::NewDevice).user(&user.id);
                    core.events.record(event.session(session).client(&client));
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
