//! Answers to second factors: of pending sign-ins, and of step-ups.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Client, Core, FactorAttempt, FactorCheck, FactorFailure, Outcome, ReliesOn, SignInOutcome,
    StepUp, code::as_written, credentials::CredentialUse, dpop::require_same_key,
    factor::AnyFactor, second_step::return_to_of,
};
use crate::{
    clock::whole_millis,
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    mail::{MessageKind, Occasion},
    model::{Factor, FactorProof, User},
    session::{AuthUser, require_usable},
    store::{Challenge, ChallengeKind},
};

/// An answer to a second factor.
pub(super) enum Answer<'a> {
    Text(&'a str),
    Json(Value),
}

/// The factor that was verified, and the use of its credential.
pub(super) type Accepted = (Factor, Option<CredentialUse>);

impl Core {
    /// Verifies an answer to a factor of a challenge, and continues what the challenge is for.
    pub(super) async fn verify_factor(
        &self,
        client: &Client,
        factor: &dyn AnyFactor,
        challenge: Challenge,
        answer: Answer<'_>,
    ) -> Result<SignInOutcome, AuthError> {
        let session_user = self.session_of(client, &challenge).await?;
        match &session_user {
            Some(user) => require_usable(user.session()).await?,
            None => require_same_key(&challenge).await?,
        }
        let handle = client.challenge()?;
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let id = challenge.user_id.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(&id).await?.filter(User::is_active);
        let user = user.ok_or(ErrorKind::ChallengeExpired)?;
        let account = self.account(&user).await?;
        let (code, answer) = match answer {
            Answer::Text(text) => (as_written(text), None),
            Answer::Json(value) => (String::new(), Some(value)),
        };
        let (name, data) = (factor.factor().as_str(), &challenge.data);
        let is_sent = data.get("sent").and_then(Value::as_str) == Some(name);
        let bound = handle.bind_code(&code);
        let attempt = FactorAttempt {
            client,
            account: &account,
            code,
            answer,
            is_sent_code: is_sent && challenge.code.is_some_and(|own| own.ct_eq(&bound)),
            state: data.get("states").and_then(|states| states.get(name)).cloned(),
            now: self.clock.now(),
        };
        let accepted = self.check_factor(factor, &attempt, Some(&challenge)).await?;
        let outcome = match session_user {
            Some(user) => self.stepped_up(client, &user, factor, accepted).await?,
            None => {
                let now = whole_millis(self.clock.now());
                let (proof, report) = proof_of(&accepted, now);
                let (about, info) = (user.clone(), client.info().clone());
                let using = accepted.1.map(|using| using.at(now)).transpose()?;
                let resumed = self.resume_sign_in(&challenge, user, proof, using, info).await;
                let outcome = resumed.map_err(|error| rejected(factor, error))?;
                self.report_use(&about, client, report);
                client.restore_return_to(return_to_of(&challenge));
                outcome
            }
        };
        Ok(self.respond(client, outcome).await)
    }

    /// Counts an attempt, compares the response, and consumes the challenge if it is right.
    pub(super) async fn check_factor(
        &self,
        factor: &dyn AnyFactor,
        attempt: &FactorAttempt<'_>,
        challenge: Option<&Challenge>,
    ) -> Result<Accepted, AuthError> {
        let ip = attempt.client().info().ip.as_deref();
        let account = attempt.account().user().id.as_str();
        // A thief of the password does not use up the attempts of the user's sessions.
        let is_sign_in = challenge.is_some_and(|own| own.kind == ChallengeKind::SignIn);
        let name = factor.factor().as_str();
        let guess = if is_sign_in { Guess::Factor(name) } else { Guess::OwnFactor(name) };
        let counted = self.limits.guess(guess, account, ip).await?;
        let now = self.clock.now();
        if let Some(challenge) = challenge {
            let tried = self.challenges.try_challenge(&challenge.id, now).await?;
            tried.ok_or(ErrorKind::ChallengeExpired)?;
        }
        let user = &attempt.account().user().id;
        let accepted = match factor.check(attempt).await? {
            FactorCheck::Accepted => Some((factor.factor(), None)),
            FactorCheck::AcceptedUsing(using) => Some((factor.factor(), Some(using))),
            FactorCheck::AcceptedAs(own, using) => Some((own, Some(using))),
            FactorCheck::Rejected => None,
        };
        let is_own = |(_, using): &Accepted| using.as_ref().is_none_or(|using| using.is_of(user));
        let Some(accepted) = accepted.filter(is_own) else {
            let event = self.event(EventKind::ProofRefused).user(user);
            self.events.record(event.ip(ip).reason("wrong_code"));
            return Err(factor.error(FactorFailure::Rejected).into());
        };
        if let Some(challenge) = challenge {
            let taken = self.challenges.take_challenge(&challenge.id, None, now).await?;
            taken.ok_or(ErrorKind::ChallengeExpired)?;
        }
        self.limits.succeeded(counted).await;
        Ok(accepted)
    }

    /// Adds a verified factor to a session, which gets new tokens.
    pub(super) async fn stepped_up(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: &dyn AnyFactor,
        accepted: Accepted,
    ) -> Result<Outcome, AuthError> {
        let now = whole_millis(self.clock.now());
        let (proof, report) = proof_of(&accepted, now);
        let using = accepted.1.map(|using| using.at(now)).transpose()?;
        let relies_on = using.map_or(ReliesOn::Nothing, ReliesOn::Use);
        let (own, session) = (user.user(), user.session());
        let outcome = self.step_up(own, session, StepUp { proof, relies_on }).await;
        let outcome = outcome.map_err(|error| rejected(factor, error))?;
        let event = self.event(EventKind::SteppedUp).user(&own.id).session(session.id);
        self.events.record(event.client(client.info()));
        self.report_use(own, client, report);
        Ok(outcome)
    }

    /// Records the event of the use of a factor, and notifies the user.
    fn report_use(&self, user: &User, client: &Client, report: Report) {
        let Some((event, notice)) = report else { return };
        let event = self.event(event).user(&user.id);
        self.events.record(event.client(client.info()));
        self.notify(user, notice, Occasion::of(client.info()));
    }
}

type Report = Option<(EventKind, MessageKind)>;

/// Returns the proof of a factor, and what is reported of its use.
fn proof_of((factor, using): &Accepted, at: Timestamp) -> (FactorProof, Report) {
    let proof = FactorProof::new(*factor, at);
    let Some(using) = using else { return (proof, None) };
    (proof.by(using.id()), using.report())
}

/// A use that could not be recorded, since another request was first, is a wrong answer.
fn rejected(factor: &dyn AnyFactor, error: AuthError) -> AuthError {
    match error.kind() {
        ErrorKind::InvalidCredentials => factor.error(FactorFailure::Rejected).into(),
        _ => error,
    }
}
