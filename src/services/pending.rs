//! The pending challenges of clients: `POST /verify` and `/verify/resend`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Account, ChallengeHandle, Client, Core, FactorAttempt, FactorCheck, FactorFailure, FactorInput,
    FactorUse, Outcome, PendingChallenge, ReliesOn, Services, SignInOutcome, SignedIn, StepUp,
    code::as_written, credentials::CredentialUse, factor::AnyFactor, methods::methods_of,
    prompt::not_offered, second_step::return_to_of,
};
use crate::{
    clock::whole_millis,
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    mail::{MessageKind, Occasion},
    model::{Factor, FactorProof, User},
    session::AuthUser,
    store::{Challenge, ChallengeKind},
};

/// The pending challenges of clients, for forms of the application.
#[derive(Clone, Debug)]
pub struct PendingChallenges(Services);

impl Services {
    /// Returns the pending challenges of clients.
    pub fn pending(&self) -> PendingChallenges {
        PendingChallenges(self.clone())
    }
}

impl PendingChallenges {
    /// Verifies a code or another text for the challenge of the client
    /// ([`Client::with_challenge`]): of a sign-up, a sign-in, a second factor, a step-up, a change,
    /// or of a flow outside this crate. Without a method it is `email_code` where that is offered,
    /// else `totp`, else the first one that a text answers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle that is unknown, used, expired or out of
    /// attempts; [`ErrorKind::InvalidCode`]; [`ErrorKind::InvalidMembers`] with `method` for one
    /// that is not offered, and no attempt is counted; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::Unauthenticated`] without the session that started a change.
    pub async fn verify(
        &self,
        client: &Client,
        method: Option<&str>,
        code: &str,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.0.core()?;
        let handle = client.challenge()?;
        if let Some(codes) = core.registered_codes(handle).await? {
            return codes.verify(client, handle, code).await;
        }
        if let Some((factor, challenge)) = core.selected(handle, method).await? {
            return core.verify_factor(client, factor, challenge, code).await;
        }
        let owner = client.context().signed_in().await?;
        let owner = owner.as_ref().map(|auth| (auth.user(), auth.session()));
        let (text, info) = (handle.expose(), client.info().clone());
        let (outcome, challenge) = core.verify_code(text, code, owner, info).await?;
        client.restore_return_to(return_to_of(&challenge));
        // A step-up or a change does not remember the device.
        let begins = matches!(challenge.kind, ChallengeKind::SignIn | ChallengeKind::SignUp);
        let client = client.clone().with_remember(begins && client.remember());
        Ok(core.respond(&client, outcome).await)
    }

    /// Sends another code for the challenge of the client, or prompts for another factor that it
    /// offers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::InvalidMembers`] with `method` for one that is
    /// not offered; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn resend(
        &self,
        client: &Client,
        method: Option<&str>,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.0.core()?;
        let handle = client.challenge()?;
        if let Some(codes) = core.registered_codes(handle).await? {
            return codes.resend(client, handle).await;
        }
        if let Some((factor, challenge)) = core.selected(handle, method).await? {
            return core.prompt(client, factor, &challenge, handle, true).await;
        }
        let pending = core.ask_again(handle.expose(), client.info()).await?;
        Ok(PendingChallenge::new(&core, pending))
    }

    /// Begins a step-up of a session by a second factor, and prompts for it.
    /// [`verify`](Self::verify) finishes it, on the same session.
    ///
    /// # Errors
    ///
    /// The error of the factor for a user who is not offered it, by default
    /// [`ErrorKind::NotFound`]; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn step_up(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: Factor,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.0.core()?;
        let (factor, _) = core.offered_for_step_up(user, factor.as_str()).await?;
        let handle = OneTimeToken::random(TokenPurpose::Challenge)?;
        let data = json!({
            "session": user.session().id,
            "methods": [factor.factor().as_str()],
        });
        let challenge = core.new_pending(&handle, ChallengeKind::StepUp, user.user(), data);
        core.store_challenge(&challenge).await?;
        let handle = ChallengeHandle::new(handle.to_token().expose());
        core.prompt(client, factor, &challenge, &handle, false).await
    }

    /// Verifies a second factor that needs no prompt, and gives the session
    /// new tokens with the proof.
    ///
    /// # Errors
    ///
    /// The error of the factor for a wrong response, by default [`ErrorKind::InvalidCode`], or for
    /// a user who is not offered it, by default [`ErrorKind::NotFound`];
    /// [`ErrorKind::TooManyAttempts`]; [`ErrorKind::InvalidToken`] if the session has ended.
    pub async fn step_up_with(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: Factor,
        answer: &str,
    ) -> Result<SignedIn, AuthError> {
        let core = self.0.core()?;
        let (factor, account) = core.offered_for_step_up(user, factor.as_str()).await?;
        let attempt = FactorAttempt {
            client,
            account: &account,
            code: as_written(answer),
            is_sent_code: false,
            state: None,
            now: core.clock.now(),
        };
        let using = core.check_factor(factor, &attempt, None).await?;
        let outcome = core.stepped_up(client, user, factor, using).await?;
        match core.respond(client, outcome).await {
            SignInOutcome::Complete(signed_in) => Ok(signed_in),
            SignInOutcome::Pending(_) => Err(ErrorKind::Misconfigured.into()),
        }
    }
}

impl Core {
    /// Returns the second factor that a request selects for a challenge. `None` if the challenge is
    /// to be answered with an email code.
    async fn selected(
        &self,
        handle: &ChallengeHandle,
        method: Option<&str>,
    ) -> Result<Option<(&dyn AnyFactor, Challenge)>, AuthError> {
        const EMAIL: &str = Factor::EmailCode.as_str();
        const TOTP: &str = Factor::Totp.as_str();
        if self.factors().is_empty() {
            return match method {
                None | Some(EMAIL) => Ok(None),
                Some(_) => Err(not_offered()),
            };
        }
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let found = self.challenges.find_challenge(&handle.digest(), self.clock.now()).await?;
        let challenge = found.filter(|own| own.tries > 0).ok_or(ErrorKind::ChallengeExpired)?;
        let methods = methods_of(&challenge);
        let by_email = methods.is_empty() || methods.contains(&EMAIL);
        let by_text = |name: &str| {
            self.factor(name).is_some_and(|factor| factor.input() == FactorInput::Code)
        };
        let default = || match methods.contains(&TOTP) {
            true => Some(TOTP),
            false => methods.iter().copied().find(|name| by_text(name)),
        };
        let method = match method {
            None | Some(EMAIL) if by_email => return Ok(None),
            None => default().ok_or_else(not_offered)?,
            Some(method) => method,
        };
        let factor = self.factor(method).filter(|_| methods.contains(&method) && by_text(method));
        let factor = &**factor.ok_or_else(not_offered)?;
        Ok(Some((factor, challenge)))
    }

    async fn verify_factor(
        &self,
        client: &Client,
        factor: &dyn AnyFactor,
        challenge: Challenge,
        code: &str,
    ) -> Result<SignInOutcome, AuthError> {
        let session_user = self.session_of(client, &challenge).await?;
        let handle = client.challenge()?;
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let id = challenge.user_id.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(&id).await?.filter(User::is_active);
        let user = user.ok_or(ErrorKind::ChallengeExpired)?;
        let account = self.account(&user).await?;
        let answer = as_written(code);
        let (name, data) = (factor.factor().as_str(), &challenge.data);
        let is_sent = data.get("sent").and_then(Value::as_str) == Some(name);
        let bound = handle.bind_code(&answer);
        let attempt = FactorAttempt {
            client,
            account: &account,
            code: answer,
            is_sent_code: is_sent && challenge.code.is_some_and(|own| own.ct_eq(&bound)),
            state: data.get("states").and_then(|states| states.get(name)).cloned(),
            now: self.clock.now(),
        };
        let using = self.check_factor(factor, &attempt, Some(&challenge)).await?;
        let outcome = match session_user {
            Some(user) => self.stepped_up(client, &user, factor, using).await?,
            None => {
                let now = whole_millis(self.clock.now());
                let (proof, report) = proof_of(factor.factor(), now, using.as_ref());
                let (about, info) = (user.clone(), client.info().clone());
                let using = using.map(|using| using.at(now));
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
    async fn check_factor(
        &self,
        factor: &dyn AnyFactor,
        attempt: &FactorAttempt<'_>,
        challenge: Option<&Challenge>,
    ) -> Result<Option<CredentialUse>, AuthError> {
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
        let using = match factor.check(attempt).await? {
            FactorCheck::Accepted => None,
            FactorCheck::AcceptedUsing(using) if using.is_of(&attempt.account().user().id) => {
                Some(using)
            }
            FactorCheck::AcceptedUsing(_) | FactorCheck::Rejected => {
                let event = self.event(EventKind::ProofRefused).user(&attempt.account().user().id);
                self.events.record(event.ip(ip).reason("wrong_code"));
                return Err(factor.error(FactorFailure::Rejected).into());
            }
        };
        if let Some(challenge) = challenge {
            let taken = self.challenges.take_challenge(&challenge.id, None, now).await?;
            taken.ok_or(ErrorKind::ChallengeExpired)?;
        }
        self.limits.succeeded(counted).await;
        Ok(using)
    }

    async fn stepped_up(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: &dyn AnyFactor,
        using: Option<CredentialUse>,
    ) -> Result<Outcome, AuthError> {
        let now = whole_millis(self.clock.now());
        let (proof, report) = proof_of(factor.factor(), now, using.as_ref());
        let relies_on = using.map_or(ReliesOn::Nothing, |using| ReliesOn::Use(using.at(now)));
        let (own, session) = (user.user(), user.session());
        let outcome = self.step_up(own, session, StepUp { proof, relies_on }).await;
        let outcome = outcome.map_err(|error| rejected(factor, error))?;
        let event = self.event(EventKind::SteppedUp).user(&own.id).session(session.id);
        self.events.record(event.ip(client.info().ip.as_deref()));
        self.report_use(own, client, report);
        Ok(outcome)
    }

    /// Records the event of the use of a factor, and notifies the user.
    fn report_use(&self, user: &User, client: &Client, report: Report) {
        let Some((event, notice)) = report else { return };
        let event = self.event(event).user(&user.id);
        self.events.record(event.ip(client.info().ip.as_deref()));
        self.notify(user, notice, Occasion::of(client.info()));
    }

    /// Returns the user of the session that a step-up belongs to.
    pub(super) async fn session_of(
        &self,
        client: &Client,
        challenge: &Challenge,
    ) -> Result<Option<AuthUser>, AuthError> {
        if challenge.kind != ChallengeKind::StepUp {
            return Ok(None);
        }
        let user = client
            .context()
            .signed_in()
            .await?
            .filter(|user| challenge.data.get("session") == Some(&json!(user.session().id)));
        user.map(Some).ok_or_else(|| ErrorKind::Unauthenticated.into())
    }

    async fn offered_for_step_up(
        &self,
        user: &AuthUser,
        name: &str,
    ) -> Result<(&dyn AnyFactor, Account), AuthError> {
        let factor = &**self.factor(name).ok_or(ErrorKind::NotFound)?;
        let account = self.account(user.user()).await?;
        let for_step_up = FactorUse::StepUp { session: user.session() };
        if !factor.is_offered(&account, for_step_up) {
            return Err(factor.error(FactorFailure::NotOffered).into());
        }
        Ok((factor, account))
    }
}

type Report = Option<(EventKind, MessageKind)>;

/// Returns the proof of a factor, and what is reported of its use.
fn proof_of(factor: Factor, at: Timestamp, using: Option<&CredentialUse>) -> (FactorProof, Report) {
    let proof = FactorProof::new(factor, at);
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
