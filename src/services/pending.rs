//! The pending challenges of clients: `POST /verify` and `/verify/resend`.

use serde_json::{Value, json};

use super::{
    Account, ChallengeHandle, Client, Core, FactorAttempt, FactorFailure, FactorInput, FactorUse,
    PendingChallenge, Services, SignInOutcome, SignedIn, answer::Answer, code::as_written,
    code_handlers::AnyCodes, factor::AnyFactor, methods::methods_of, prompt::not_offered,
    second_step::return_to_of,
};
use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    model::Factor,
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

/// The verifier of the answer to a challenge.
enum Verifier<'a> {
    /// The codes of a flow.
    Codes(&'a dyn AnyCodes),
    /// A second factor.
    Factor(&'a dyn AnyFactor, Box<Challenge>),
    /// An email code, which is part of the challenge.
    EmailCode,
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
        match core.verifier(handle, method).await? {
            Verifier::Codes(codes) => return codes.verify(client, handle, code).await,
            Verifier::Factor(factor, challenge) => {
                return core.verify_factor(client, factor, *challenge, Answer::Text(code)).await;
            }
            Verifier::EmailCode => {}
        }
        let owner = client.context().signed_in().await?;
        let owner = owner.as_ref().map(|auth| (auth.user(), auth.session()));
        let (text, info) = (handle.expose(), client.info().clone());
        let (outcome, challenge) = core.verify_code(text, code, owner, info).await?;
        client.restore_return_to(return_to_of(&challenge));
        Ok(core.respond(client, outcome).await)
    }

    /// Verifies an answer that is not text, for the challenge of the client: of a pending sign-in
    /// or of a step-up. The factor reads it by [`FactorAttempt::answer`].
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_with(
        &self,
        client: &Client,
        factor: Factor,
        answer: Value,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.0.core()?;
        let (factor, challenge) = core.offered_by(client.challenge()?, factor).await?;
        core.verify_factor(client, factor, challenge, Answer::Json(answer)).await
    }

    /// Prompts for a factor of the challenge of the client: sends its code, or returns its options.
    ///
    /// # Errors
    ///
    /// As [`resend`](Self::resend).
    pub async fn prompt(
        &self,
        client: &Client,
        factor: Factor,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.0.core()?;
        let handle = client.challenge()?;
        let (factor, challenge) = core.offered_by(handle, factor).await?;
        core.prompt(client, factor, &challenge, handle, true).await
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
        match core.verifier(handle, method).await? {
            Verifier::Codes(codes) => codes.resend(client, handle).await,
            Verifier::Factor(factor, challenge) => {
                core.prompt(client, factor, &challenge, handle, true).await
            }
            Verifier::EmailCode => {
                let pending = core.ask_again(handle.expose(), client.info()).await?;
                Ok(PendingChallenge::new(&core, pending))
            }
        }
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
            answer: None,
            is_sent_code: false,
            state: None,
            now: core.clock.now(),
        };
        let accepted = core.check_factor(factor, &attempt, None).await?;
        let outcome = core.stepped_up(client, user, factor, accepted).await?;
        match core.respond(client, outcome).await {
            SignInOutcome::Complete(signed_in) => Ok(signed_in),
            SignInOutcome::Pending(_) => Err(ErrorKind::Misconfigured.into()),
        }
    }
}

impl Core {
    /// Returns the verifier of a challenge for the method that a request selects. The challenge is
    /// read once, and not at all if only email codes are registered.
    async fn verifier(
        &self,
        handle: &ChallengeHandle,
        method: Option<&str>,
    ) -> Result<Verifier<'_>, AuthError> {
        const EMAIL: &str = Factor::EmailCode.as_str();
        const TOTP: &str = Factor::Totp.as_str();
        let is_email = method.is_none_or(|method| method == EMAIL);
        if self.factors().is_empty() && self.code_handlers().is_empty() {
            return is_email.then_some(Verifier::EmailCode).ok_or_else(not_offered);
        }
        let challenge = self.pending(handle).await?;
        if let Some(codes) = self.code_handlers().iter().find(|own| own.kind() == challenge.kind) {
            let is_offered = method.is_none_or(|method| method == codes.factor().as_str());
            return is_offered.then_some(Verifier::Codes(&**codes)).ok_or_else(not_offered);
        }
        let methods = methods_of(&challenge);
        if is_email && (methods.is_empty() || methods.contains(&EMAIL)) {
            return Ok(Verifier::EmailCode);
        }
        let by_text = |name: &str| {
            self.factor(name).is_some_and(|factor| factor.input() == FactorInput::Code)
        };
        let default = || match methods.contains(&TOTP) {
            true => Some(TOTP),
            false => methods.iter().copied().find(|name| by_text(name)),
        };
        let method = method.or_else(default).ok_or_else(not_offered)?;
        let factor = self.factor(method).filter(|_| methods.contains(&method) && by_text(method));
        let factor = &**factor.ok_or_else(not_offered)?;
        Ok(Verifier::Factor(factor, Box::new(challenge)))
    }

    /// Returns a factor that a challenge offers, with the challenge.
    async fn offered_by(
        &self,
        handle: &ChallengeHandle,
        factor: Factor,
    ) -> Result<(&dyn AnyFactor, Challenge), AuthError> {
        let challenge = self.pending(handle).await?;
        let name = factor.as_str();
        let own = self.factor(name).filter(|_| methods_of(&challenge).contains(&name));
        Ok((&**own.ok_or_else(not_offered)?, challenge))
    }

    /// Returns a challenge that can be answered.
    async fn pending(&self, handle: &ChallengeHandle) -> Result<Challenge, AuthError> {
        let found = self.live(TokenPurpose::Challenge, handle.expose()).await?;
        found.filter(|own| own.tries > 0).ok_or_else(|| ErrorKind::ChallengeExpired.into())
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
