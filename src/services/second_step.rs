//! Sign-ins that are pending, from the challenge to the session.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use super::{
    Core, Letterhead, Outcome, Pending, Verified,
    claim::{self, Claim},
    code::Asked,
    credentials::{TAKEN, TOO_MANY},
    dpop::stored_delivery,
    sign_in::SignInAttempt,
};
use crate::{
    clock::whole_millis,
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{ClientInfo, Email, Factor, FactorProof, IdpSession, User},
    session::NewSession,
    store::{
        AccountWrites, Applied, Challenge, ChallengeKind, CredentialUpdate, SessionTag, Unmet,
    },
};

impl Core {
    /// Requires one of several methods before the session begins.
    pub(super) async fn require_factor(
        &self,
        attempt: SignInAttempt,
        methods: Vec<&'static str>,
    ) -> Result<Outcome, AuthError> {
        let SignInAttempt { user, client, .. } = &attempt;
        if let Some(using) = &attempt.using
            && !self.credentials.use_credential(using).await?
        {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let data = stored(&attempt, &methods);
        if methods.contains(&Factor::EmailCode.as_str()) {
            let to = user.email.as_ref().ok_or(ErrorKind::Misconfigured)?;
            let letter = Letterhead { kind: MessageKind::SignInCode, to, user: Some(user) };
            let kind = ChallengeKind::SignIn;
            let asked = Asked { kind, letter, decoy: false, data, client };
            return self.ask(asked).await.map(Outcome::Pending);
        }
        let handle = OneTimeToken::random(TokenPurpose::Challenge)?;
        let data = Value::Object(data);
        let challenge = self.new_pending(&handle, ChallengeKind::SignIn, user, data);
        self.store_challenge(&challenge).await?;
        let event = self.event(EventKind::ProofRequested).client(client);
        self.events.record(event.reason(challenge.kind.as_str()));
        let (handle, expires_at) = (handle.to_token(), challenge.expires_at);
        Ok(Outcome::Pending(Pending { handle, methods, expires_at, resend_at: None }))
    }

    /// Continues a pending sign-in whose challenge was answered and consumed: begins the session,
    /// or returns what is still required.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCredentials`] if the use of a factor cannot be recorded;
    /// [`ErrorKind::ChallengeExpired`] if the account has changed.
    pub(crate) async fn resume_sign_in(
        &self,
        challenge: &Challenge,
        user: User,
        proof: FactorProof,
        using: Option<CredentialUpdate>,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let data = &challenge.data;
        let mut proofs: Vec<FactorProof> = read(data, "factors")?;
        proofs.push(proof);
        let is_multi_factor: Option<bool> = read(data, "multi_factor")?;
        let used: Option<Vec<String>> = read(data, "used")?;
        let tags: Option<Vec<SessionTag>> = read(data, "tags")?;
        let mut used = used.unwrap_or_default();
        used.extend(using.iter().map(|using| using.credential.clone()));
        let attempt = SignInAttempt {
            user,
            proofs,
            delivery: stored_delivery(data)?,
            client,
            device: None,
            upstream: read(data, "upstream")?,
            using,
            verified: read(data, "verified")?,
            is_multi_factor: is_multi_factor.unwrap_or(false) || proof.method == Factor::Passkey,
            credentials: None,
            used,
            mailbox: None,
            return_to: read(data, "return_to")?,
            tags: tags.unwrap_or_default(),
            adding: read(data, "adding")?,
        };
        let methods = self.owed(&attempt).await?;
        if !methods.is_empty() {
            return self.require_factor(attempt, methods).await;
        }
        self.complete_at(challenge.address.as_ref(), attempt).await
    }

    /// Begins the session of a sign-in if the user still has this email address. If a code or a
    /// link verified the address for the first time, the account is claimed, except where the
    /// sign-in verified the password: password and mailbox together prove the same person.
    pub(super) async fn complete_at(
        &self,
        address: Option<&Email>,
        attempt: SignInAttempt,
    ) -> Result<Outcome, AuthError> {
        let is_first_factor = attempt.mailbox.is_some();
        let SignInAttempt {
            user,
            proofs,
            delivery,
            client,
            upstream,
            using,
            verified,
            used,
            tags,
            adding,
            ..
        } = attempt;
        // The address may be verified by another factor, such as a provider.
        let by_code = is_first_factor || proofs.iter().any(|own| own.method.is_mailbox());
        let by_password = proofs.iter().any(|own| own.method == Factor::Password);
        let was_verified = user.email_verified_at.is_some();
        let is_use = using.is_some();
        let now = whole_millis(self.clock.now());
        let added = adding.as_ref().map(|own| own.row(self, now)).transpose()?;
        let (added, at_most) = added.unzip();
        let first = AtomicBool::new(false);
        let complete = |own: &User, claim: Claim| {
            // Whether a second factor is required was decided for an account that is claimed.
            let is_decided = !is_first_factor || own.email_verified_at.is_some() == was_verified;
            if !own.is_active() || own.email.as_ref() != address || !is_decided {
                return None;
            }
            let is_first = own.email_verified_at.is_none() && by_code;
            first.store(is_first, Ordering::Relaxed);
            let mut writes = match (is_first, by_password) {
                (true, false) => {
                    let kept = verified.iter().map(|own| own.id().to_owned());
                    claim.of(own, kept.chain(used.clone()).collect())
                }
                (true, true) => AccountWrites::new(claim::verified(own, now)),
                (false, _) => AccountWrites::new(own.clone()),
            };
            writes.requires.extend(verified.iter().map(Verified::requirement));
            writes.add.clone_from(&added);
            writes.add_at_most = at_most;
            Some(writes)
        };
        let beginning = NewSession {
            upstream,
            using,
            tags,
            ..NewSession::new(proofs.clone(), delivery, client)
        };
        let from = beginning.upstream.clone();
        let begun = self.begin_claiming(&user.id, beginning, &complete).await?;
        let (user, issued) = begun.done().map_err(|applied| match (&applied, is_use) {
            (Applied::Unmet(Unmet::Taken), _) if adding.is_some() => TAKEN.into(),
            (Applied::Unmet(Unmet::Limit), _) if adding.is_some() => TOO_MANY.into(),
            (_, true) => ErrorKind::InvalidCredentials.into(),
            (_, false) => claim::expired(&applied),
        })?;
        if let Some(adding) = &adding {
            self.was_added(&user, &issued.session, adding);
        }
        match (first.into_inner(), by_password) {
            (true, true) => self.events.record(self.event(EventKind::EmailVerified).user(&user.id)),
            (true, false) => self.record_claim(&user.id),
            (false, _) => {}
        }
        self.note_device(&user, &issued.session, true);
        self.end_recoveries_by(&issued.session);
        let checked = self.unless_barred(from.as_ref(), Outcome::complete(user, issued)).await;
        checked.map_err(|error| match error.kind() {
            ErrorKind::AccountDisabled => ErrorKind::ChallengeExpired.into(),
            _ => error,
        })
    }
}

/// Returns the return target of a pending sign-in.
pub(super) fn return_to_of(challenge: &Challenge) -> Option<&str> {
    challenge.data.get("return_to").and_then(Value::as_str)
}

/// The data of the challenge of a pending sign-in.
fn stored(attempt: &SignInAttempt, methods: &[&'static str]) -> Map<String, Value> {
    let members = [
        ("factors", json!(attempt.proofs)),
        ("transport", json!(attempt.delivery.transport)),
        ("is_persistent", json!(attempt.delivery.is_persistent)),
        ("jkt", json!(attempt.delivery.jkt)),
        ("upstream", json!(attempt.upstream)),
        ("verified", json!(attempt.verified)),
        ("methods", json!(methods)),
        ("multi_factor", json!(attempt.is_multi_factor)),
        ("used", json!(attempt.used)),
        ("return_to", json!(attempt.return_to)),
        ("adding", json!(attempt.adding)),
    ];
    let mut data: Map<_, _> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let upstream = attempt.upstream.iter().flat_map(IdpSession::tags);
    let tags: Vec<_> = attempt.tags.iter().cloned().chain(upstream).collect();
    if !tags.is_empty() {
        // Those by which the challenge is deleted, too.
        data.insert("tags".to_owned(), json!(tags));
    }
    data
}

pub(super) fn read<T: serde::de::DeserializeOwned>(
    data: &Value,
    name: &str,
) -> Result<T, AuthError> {
    let value = data.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|_| ErrorKind::ChallengeExpired.into())
}
