//! The pending challenges of clients: what `POST /verify` and `/verify/resend` answer.

use serde_json::{Map, Value, json};

use super::{
    Account, ChallengeHandle, Client, Core, FactorAttempt, FactorCheck, FactorFailure, FactorUse,
    Outcome, Pending, PendingChallenge, Prompt, ReliesOn, Services, SignInOutcome, SignedIn,
    StepUp,
    code::as_written,
    credentials::CredentialUse,
    factor::{AnyFactor, Sent},
};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{Handle, HandleKind},
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    model::{Factor, Proof, User},
    session::AuthUser,
    store::{Challenge, ChallengeKind},
};

/// How long a pending sign-in without an email code, and a step-up, can be answered.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(600);
const ATTEMPTS: u32 = 5;

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
    /// Verifies a code or another textual answer to the challenge of the client
    /// ([`Client::with_challenge`]): of a sign-up, a sign-in, a second factor, a step-up, a change,
    /// or of a flow outside this crate. Without a method it is `email_code` where that is offered,
    /// else the first one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle that is unknown, used, expired or out of
    /// attempts; [`ErrorKind::InvalidCode`]; [`ErrorKind::InvalidMembers`] naming `method` for one
    /// that is not offered, and no attempt is counted; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::Unauthenticated`] without the session that began a change.
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
        let (outcome, kind) = core.verify_code(text, code, owner, info).await?;
        // A step-up or a change remembers no device.
        let begins = matches!(kind, ChallengeKind::SignIn | ChallengeKind::SignUp);
        let client = client.clone().with_remember(begins && client.remember());
        Ok(core.respond(&client, outcome).await)
    }

    /// Sends another code for the challenge of the client, or prompts for another factor that it
    /// offers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::InvalidMembers`] naming `method` for one that
    /// is not offered; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
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
            return core.prompt(client, factor, &challenge, handle).await;
        }
        Ok(PendingChallenge::new(core.ask_again(handle.expose(), client.info()).await?))
    }

    /// Begins a step-up of a session by a factor of a flow outside this crate, and prompts for it.
    /// [`verify`](Self::verify) finishes it, on the same session.
    ///
    /// # Errors
    ///
    /// What the factor says for a user who is not offered it, by default
    /// [`ErrorKind::NotFound`]; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn step_up(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: Factor,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.0.core()?;
        let (factor, _) = core.offered_for_step_up(user, factor.as_str()).await?;
        let handle = Handle::random(HandleKind::Challenge)?;
        let data = json!({
            "session": user.session().id,
            "methods": [factor.factor().as_str()],
        });
        let challenge = core.new_pending(&handle, ChallengeKind::StepUp, user.user(), data);
        core.store_challenge(&challenge).await?;
        let handle = ChallengeHandle::new(handle.to_plain().expose());
        core.prompt(client, factor, &challenge, &handle).await
    }

    /// Verifies a factor of a flow outside this crate that needs no prompt, and gives the session
    /// new tokens with the proof.
    ///
    /// # Errors
    ///
    /// What the factor says for a wrong answer, by default [`ErrorKind::InvalidCode`], or for a user
    /// who is not offered it, by default [`ErrorKind::NotFound`]; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::InvalidToken`] if the session has ended.
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
        };
        let using = core.check_factor(factor, &attempt, None).await?;
        let outcome = core.stepped_up(client, user, factor.factor(), using).await?;
        match core.respond(client, outcome).await {
            SignInOutcome::Complete(signed_in) => Ok(signed_in),
            SignInOutcome::Pending(_) => Err(ErrorKind::Misconfigured.into()),
        }
    }
}

impl Core {
    /// Creates the challenge of a pending sign-in without an email code, or of a step-up.
    pub(super) fn new_pending(
        &self,
        handle: &Handle,
        kind: ChallengeKind,
        user: &User,
        data: Value,
    ) -> Challenge {
        let now = whole_millis(self.clock.now());
        Challenge {
            id: handle.digest(),
            kind,
            user_id: Some(user.id.clone()),
            address: user.email.clone(),
            code: None,
            tries: ATTEMPTS,
            data,
            created_at: now,
            expires_at: after(now, LIFETIME),
        }
    }

    /// Returns the factor of a flow outside this crate that a request selects for a challenge.
    /// `None` if the challenge is to be answered with an email code.
    async fn selected(
        &self,
        handle: &ChallengeHandle,
        method: Option<&str>,
    ) -> Result<Option<(&dyn AnyFactor, Challenge)>, AuthError> {
        const EMAIL: &str = Factor::EmailCode.as_str();
        let not_offered =
            || AuthError::new(ErrorKind::InvalidMembers).with_member("members", vec!["method"]);
        if self.factors().is_empty() {
            return match method {
                None | Some(EMAIL) => Ok(None),
                Some(_) => Err(not_offered()),
            };
        }
        let handle = Handle::parse(HandleKind::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let found = self.challenges.find_challenge(&handle.digest(), self.clock.now()).await?;
        let challenge = found.filter(|own| own.tries > 0).ok_or(ErrorKind::ChallengeExpired)?;
        let methods = methods_of(&challenge);
        let is_ours = methods.is_empty();
        let method = match method {
            None if is_ours => return Ok(None),
            Some(EMAIL) if is_ours => return Ok(None),
            None => methods.first().copied().ok_or_else(not_offered)?,
            Some(method) => method,
        };
        let factor = self.factor(method).filter(|_| methods.contains(&method));
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
        let handle = Handle::parse(HandleKind::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let id = challenge.user_id.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(&id).await?.filter(User::is_active);
        let user = user.ok_or(ErrorKind::ChallengeExpired)?;
        let account = self.account(&user).await?;
        let answer = as_written(code);
        let (name, data) = (factor.factor().as_str(), &challenge.data);
        let is_sent = data.get("sent").and_then(Value::as_str) == Some(name);
        let bound = handle.bind(&answer);
        let attempt = FactorAttempt {
            client,
            account: &account,
            code: answer,
            is_sent_code: is_sent && challenge.code.is_some_and(|own| own.matches(&bound)),
            state: data.get("states").and_then(|states| states.get(name)).cloned(),
        };
        let using = self.check_factor(factor, &attempt, Some(&challenge)).await?;
        let outcome = match session_user {
            Some(user) => self.stepped_up(client, &user, factor.factor(), using).await?,
            None => {
                let client = client.info().clone();
                let using = using.map(|using| using.at(whole_millis(self.clock.now())));
                self.complete_by_factor(&challenge, user, factor.factor(), using, client).await?
            }
        };
        Ok(self.respond(client, outcome).await)
    }

    /// Counts an attempt, compares the answer, and consumes the challenge if it is right.
    async fn check_factor(
        &self,
        factor: &dyn AnyFactor,
        attempt: &FactorAttempt<'_>,
        challenge: Option<&Challenge>,
    ) -> Result<Option<CredentialUse>, AuthError> {
        let ip = attempt.client().info().ip.as_deref();
        let account = attempt.account().user().id.as_str();
        let guess = Guess::Factor(factor.factor().as_str());
        let counted = self.limits.guess(guess, account, ip).await?;
        let now = self.clock.now();
        if let Some(challenge) = challenge {
            let tried = self.challenges.try_challenge(&challenge.id, now).await?;
            tried.ok_or(ErrorKind::ChallengeExpired)?;
        }
        let using = match factor.check(attempt).await? {
            FactorCheck::Accepted => None,
            FactorCheck::AcceptedUsing(using) => Some(using),
            FactorCheck::Rejected => {
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
        factor: Factor,
        using: Option<CredentialUse>,
    ) -> Result<Outcome, AuthError> {
        let now = whole_millis(self.clock.now());
        let proof = Proof::new(factor, now);
        let relies_on = using.map_or(ReliesOn::Nothing, |using| ReliesOn::Use(using.at(now)));
        let (own, session) = (user.user(), user.session());
        let outcome = self.step_up(own, session, StepUp { proof, relies_on }).await?;
        let event = self.event(EventKind::SteppedUp).user(&own.id).session(session.id);
        self.events.record(event.ip(client.info().ip.as_deref()));
        Ok(outcome)
    }

    /// Returns the user of the session that a step-up belongs to.
    async fn session_of(
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

    /// Prompts for a factor: stores its state, and sends its code.
    async fn prompt(
        &self,
        client: &Client,
        factor: &dyn AnyFactor,
        challenge: &Challenge,
        handle: &ChallengeHandle,
    ) -> Result<PendingChallenge, AuthError> {
        self.session_of(client, challenge).await?;
        let id = challenge.user_id.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(id).await?.ok_or(ErrorKind::ChallengeExpired)?;
        let account = self.account(&user).await?;
        let secret = Handle::parse(HandleKind::Challenge, handle.expose());
        let secret = secret.ok_or(ErrorKind::ChallengeExpired)?;
        let mut prompt = Prompt {
            core: self,
            client,
            account: &account,
            handle: &secret,
            factor: factor.factor(),
            sent: None,
            state: None,
            options: None,
        };
        factor.prompt(&mut prompt).await?;
        let Prompt { sent, state, options, .. } = prompt;
        let data = prompted(challenge, factor.factor().as_str(), sent.as_ref(), state);
        let code = sent.as_ref().map(|sent| sent.code);
        let (id, now) = (&challenge.id, self.clock.now());
        let before = &challenge.data;
        if !self.challenges.replace_data(id, before, &data, code.as_ref(), now).await? {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        let resend_at = match sent {
            Some(sent) => {
                let interval = sent.delivery.interval();
                sent.delivery.send()?;
                Some(after(whole_millis(now), interval))
            }
            None => None,
        };
        let methods = methods_of(challenge).into_iter();
        let methods = methods.filter_map(|name| self.factor(name)).map(|own| own.factor().as_str());
        let mut pending = PendingChallenge::new(Pending {
            handle: secret.to_plain(),
            methods: methods.collect(),
            expires_at: challenge.expires_at,
            resend_at,
        });
        pending.options = options;
        Ok(pending)
    }
}

/// The methods of flows outside this crate that a challenge offers.
fn methods_of(challenge: &Challenge) -> Vec<&str> {
    let methods = challenge.data.get("methods").and_then(Value::as_array);
    methods.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The data of a challenge after a prompt.
fn prompted(challenge: &Challenge, name: &str, sent: Option<&Sent>, state: Option<Value>) -> Value {
    let mut data = challenge.data.as_object().cloned().unwrap_or_default();
    if sent.is_some() {
        data.insert("sent".to_owned(), name.into());
    }
    if let Some(state) = state {
        let mut states: Map<String, Value> = match data.remove("states") {
            Some(Value::Object(states)) => states,
            _ => Map::new(),
        };
        states.insert(name.to_owned(), state);
        data.insert("states".to_owned(), Value::Object(states));
    }
    Value::Object(data)
}
