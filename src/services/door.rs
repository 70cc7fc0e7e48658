//! Sign-ins by flows outside this crate.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Attempt, Client, Consumed, Core, Credential, Credentials, Outcome, PendingChallenge, ReliesOn,
    Services, SignInOutcome, SignedIn, StepUp, adding::AddingCredential,
    credentials::CredentialUse, sign_in::SignInAttempt,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    hook::Purpose,
    model::{Email, Factor, FactorProof, UserId},
    session::AuthUser,
    store::SessionTag,
};

/// The only way to create a session. It runs the hooks and second factors, checks devices and the
/// maximum number of sessions, and sends security emails.
#[derive(Clone, Debug)]
pub struct SignIn(Services);

/// Evidence that a first factor was verified. It is not `Clone`, so it creates at most one session.
#[derive(Debug)]
#[must_use]
pub struct VerifiedFactor {
    user: UserId,
    factor: Factor,
    at: Option<Timestamp>,
    is_multi_factor: bool,
    using: Option<CredentialUse>,
    rejected_as: ErrorKind,
    attempt: Option<Attempt>,
    email: Option<Email>,
    tags: Vec<SessionTag>,
    adding: Option<AddingCredential>,
}

impl VerifiedFactor {
    fn new(user: UserId, factor: Factor) -> Self {
        factor.register();
        let rejected_as = ErrorKind::InvalidCredentials;
        Self {
            user,
            factor,
            at: None,
            is_multi_factor: false,
            using: None,
            rejected_as,
            attempt: None,
            email: None,
            tags: Vec::new(),
            adding: None,
        }
    }

    /// Creates the evidence from a consumed challenge, for the user it was issued for. A challenge
    /// that was sent by email [verifies](Self::verifies_email) the address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a challenge without a user.
    pub fn challenge<T>(factor: Factor, consumed: Consumed<T>) -> Result<Self, AuthError> {
        let user = consumed.user_id().cloned().ok_or(ErrorKind::ChallengeExpired)?;
        Ok(Self { email: consumed.verified_email(), ..Self::new(user, factor) })
    }

    /// Creates the evidence from a secret that was compared after its attempt was counted. The
    /// attempt is taken back when the evidence is accepted.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, Client, ErrorKind, Factor, SignInOutcome,
    ///     services::{Credentials, Limiter, Services, VerifiedFactor},
    /// };
    ///
    /// const PIN: Factor = Factor::custom("pin");
    ///
    /// async fn sign_in(
    ///     services: &Services,
    ///     (pins, guesses): (&Credentials<String>, &Limiter),
    ///     client: &Client,
    ///     (card, pin): (&str, &str),
    /// ) -> Result<SignInOutcome, AuthError> {
    ///     # let matches = |_: &str, _: &str| true;
    ///     let attempt = guesses.attempt(client, card).await?;
    ///     match pins.find(card).await?.filter(|own| matches(&own.data, pin)) {
    ///         Some(own) => {
    ///             let verified = VerifiedFactor::guess(PIN, attempt, own.used());
    ///             services.sign_in().complete(client, verified).await
    ///         }
    ///         None => Err(ErrorKind::InvalidCredentials.into()),
    ///     }
    /// }
    /// ```
    pub fn guess(factor: Factor, attempt: Attempt, used: CredentialUse) -> Self {
        let verified = Self::new(used.user_id.clone(), factor).using(used);
        Self { attempt: Some(attempt), ..verified }
    }

    /// Creates the evidence from a credential that was verified in a ceremony whose challenge was
    /// consumed.
    pub fn ceremony<T>(factor: Factor, _consumed: Consumed<T>, used: CredentialUse) -> Self {
        Self::new(used.user_id.clone(), factor).using(used)
    }

    /// Creates the evidence from a verification outside this crate, such as an LDAP bind or a
    /// client certificate.
    ///
    /// # Security
    ///
    /// The caller is responsible for the verification: this signs in any active user.
    pub fn asserted(user: &UserId, factor: Factor) -> Self {
        Self::new(user.clone(), factor)
    }

    /// Records the use of a credential together with the session.
    pub fn using(mut self, used: CredentialUse) -> Self {
        self.using = Some(used);
        self
    }

    /// Declares that the verification included a second factor, so that none is requested.
    pub fn multi_factor(mut self) -> Self {
        self.is_multi_factor = true;
        self
    }

    /// Declares that the verification included control of an email address. If it is that of the
    /// user and was not verified before, the account is claimed: everything that earlier sessions
    /// added is deleted, and no second factor is requested. Otherwise the address must still be that
    /// of the user when the session is created.
    ///
    /// ```
    /// use authlayer::{Email, services::VerifiedFactor};
    ///
    /// fn by_partner(verified: VerifiedFactor, confirmed: &Email) -> VerifiedFactor {
    ///     verified.verifies_email(confirmed)
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// Call it only for an address that was verified.
    pub fn verifies_email(mut self, email: &Email) -> Self {
        self.email = Some(email.clone());
        self
    }

    /// Sets the time of the verification; the current time by default.
    pub fn verified_at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Adds a credential of the user in the transaction that creates the session, such as an account
    /// at a service that the verified email address is linked with. The last call counts. A step-up
    /// adds none.
    ///
    /// ```
    /// use authlayer::{AuthError, services::{Consumed, Credentials, VerifiedFactor}};
    /// # use authlayer::Factor;
    ///
    /// fn link(
    ///     partners: &Credentials<()>,
    ///     code: Consumed<()>,
    ///     subject: &str,
    /// ) -> Result<VerifiedFactor, AuthError> {
    ///     let verified = VerifiedFactor::challenge(Factor::EmailCode, code)?;
    ///     let account = partners.draft(verified.user_id(), subject, ())?;
    ///     Ok(verified.adding(partners, &account))
    /// }
    /// ```
    pub fn adding<T>(mut self, kind: &Credentials<T>, credential: &Credential<T>) -> Self {
        self.adding = Some(AddingCredential::new(kind, credential));
        self
    }

    /// Returns the user.
    ///
    /// ```
    /// # use authlayer::{UserId, services::VerifiedFactor};
    /// # fn doc(verified: &VerifiedFactor) -> &UserId {
    /// verified.user_id()
    /// # }
    /// ```
    pub fn user_id(&self) -> &UserId {
        &self.user
    }

    /// Tags the session, for
    /// [`Sessions::revoke_tagged`](crate::session::Sessions::revoke_tagged). A step-up does not
    /// change the tags of its session.
    ///
    /// ```
    /// use authlayer::services::{SessionTag, VerifiedFactor};
    ///
    /// fn of_program(verified: VerifiedFactor, program: &str) -> VerifiedFactor {
    ///     verified.tag(SessionTag::new("programs", program))
    /// }
    /// ```
    pub fn tag(mut self, tag: SessionTag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Sets the error for a user who cannot sign in; by default `invalid_credentials`.
    pub fn rejected_as(mut self, kind: ErrorKind) -> Self {
        self.rejected_as = kind;
        self
    }
}

impl Services {
    /// Returns the service that creates sessions.
    pub fn sign_in(&self) -> SignIn {
        SignIn(self.clone())
    }
}

impl SignIn {
    /// Creates a session, or returns the challenge of a sign-in that requires another factor.
    ///
    /// The previous session of the client is ended when a new one is created.
    ///
    /// # Errors
    ///
    /// `invalid_credentials`, or the error set by [`rejected_as`](VerifiedFactor::rejected_as), if
    /// the user is deleted or disabled, or the use of the credential cannot be recorded;
    /// `invalid_redirect`; `transport_disabled`; the error of a hook; [`ErrorKind::Unavailable`].
    pub async fn complete(
        &self,
        client: &Client,
        first: VerifiedFactor,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.0.core()?;
        client.begin(&core, Purpose::SignIn).await?;
        let rejected_as = first.rejected_as;
        let completed = core.complete_first_factor(client, first).await;
        let outcome = completed.map_err(|error| match error.kind() {
            ErrorKind::InvalidCredentials => rejected_as.into(),
            _ => error,
        })?;
        Ok(core.respond(client, outcome).await)
    }
}

impl SignIn {
    pub(super) fn core(&self) -> Result<Arc<Core>, AuthError> {
        self.0.core()
    }

    /// Adds a verified factor to the session of a user. The session keeps its id and receives new
    /// tokens.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, AuthUser, Client, Factor, SignedIn,
    ///     services::{Consumed, Services, VerifiedFactor},
    /// };
    ///
    /// const SMS: Factor = Factor::custom("sms");
    ///
    /// async fn step_up(
    ///     services: &Services,
    ///     client: &Client,
    ///     user: &AuthUser,
    ///     code: Consumed<()>,
    /// ) -> Result<SignedIn, AuthError> {
    ///     let verified = VerifiedFactor::challenge(SMS, code)?;
    ///     services.sign_in().step_up(client, user, verified).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `invalid_credentials`, or the error set by [`rejected_as`](VerifiedFactor::rejected_as), if
    /// the evidence is that of another user or the use of the credential cannot be recorded;
    /// [`ErrorKind::InvalidToken`] if the session has ended; [`ErrorKind::Forbidden`] for an API
    /// key; [`ErrorKind::Unavailable`].
    pub async fn step_up(
        &self,
        client: &Client,
        user: &AuthUser,
        factor: VerifiedFactor,
    ) -> Result<SignedIn, AuthError> {
        let core = self.0.core()?;
        if user.api_key().is_some() {
            return Err(Core::not_by_key());
        }
        let VerifiedFactor { user: id, factor, at, using, rejected_as, attempt, email, .. } =
            factor;
        let is_own = id == user.user().id && using.as_ref().is_none_or(|own| own.is_of(&id));
        if !is_own {
            return Err(rejected_as.into());
        }
        if let Some(attempt) = attempt {
            attempt.succeeded().await?;
        }
        let now = whole_millis(core.clock.now());
        let proof = FactorProof::new(factor, at.unwrap_or(now));
        let proof = using.as_ref().map_or(proof, |using| proof.by(using.id()));
        let relies_on = match (using, &email) {
            (Some(using), _) => ReliesOn::Use(using.at(now)?),
            (None, Some(email)) if factor.is_mailbox() => ReliesOn::Email(email),
            (None, _) => ReliesOn::Nothing,
        };
        let (user, session) = (user.user(), user.session());
        let stepped = core.step_up(user, session, StepUp { proof, relies_on }).await;
        let stepped = stepped.map_err(|error| match error.kind() {
            ErrorKind::InvalidCredentials => rejected_as.into(),
            _ => error,
        })?;
        let event = core.event(EventKind::SteppedUp).user(&user.id).session(session.id);
        core.events.record(event.client(client.info()));
        match stepped {
            Outcome::Complete(complete) => {
                let (user, issued) = *complete;
                let mut signed_in =
                    SignedIn::new(Arc::clone(client.context().core()), user, issued);
                signed_in.0.cookies = client.forgotten_mail();
                Ok(signed_in)
            }
            Outcome::Pending(_) => Err(ErrorKind::Unavailable.into()),
        }
    }
}

impl Core {
    async fn complete_first_factor(
        &self,
        client: &Client,
        first: VerifiedFactor,
    ) -> Result<Outcome, AuthError> {
        let VerifiedFactor {
            user: id,
            factor,
            at,
            is_multi_factor,
            using,
            attempt,
            email,
            tags,
            adding,
            ..
        } = first;
        // A credential of another user is never added.
        if adding.as_ref().is_some_and(|own| !own.is_of(&id)) {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let user = self.users.find_user(&id).await?.filter(crate::model::User::is_active);
        let Some(user) = user else {
            let event = self.event(EventKind::SignInFailed).user(&id);
            let event = event.client(client.info());
            self.events.record(event.reason("disabled"));
            return Err(ErrorKind::InvalidCredentials.into());
        };
        // A credential that belongs to another user since the challenge was issued is rejected.
        if using.as_ref().is_some_and(|using| !using.is_of(&id)) {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        // The mailbox is no longer that of the user.
        let is_other = email.as_ref().is_some_and(|email| user.email.as_ref() != Some(email));
        if factor.is_mailbox() && is_other {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        if let Some(attempt) = attempt {
            attempt.succeeded().await?;
        }
        let options = client.options();
        let delivery = options.delivery(self).await?;
        let device = self.find_device(options.device_token.as_deref()).await?;
        let now = whole_millis(self.clock.now());
        let proof = FactorProof::new(factor, at.unwrap_or(now));
        let proof = using.as_ref().map_or(proof, |using| proof.by(using.id()));
        let using = using.map(|using| using.at(now)).transpose()?;
        // A claim deletes all credentials but those that this sign-in verified.
        let used = using.iter().map(|using| using.credential.clone()).collect();
        let mailbox = email.filter(|email| user.email.as_ref() == Some(email));
        let attempt = SignInAttempt {
            device,
            using,
            is_multi_factor,
            used,
            mailbox,
            tags,
            adding,
            ..SignInAttempt::new(user, proof, delivery, client.info().clone())
        };
        self.finish_sign_in(attempt).await
    }

    /// Converts an outcome into a response to the client. Its previous session is ended, and the
    /// device is remembered if the client requested it.
    pub(crate) async fn respond(&self, client: &Client, outcome: Outcome) -> SignInOutcome {
        let (user, issued) = match outcome {
            Outcome::Pending(pending) => {
                let mut pending = PendingChallenge::new(client.context().core(), pending);
                pending.cookies = client.forgotten_mail();
                if let Some(target) = client.return_to() {
                    // Without it, the user arrives at `/`.
                    let stored = self.set_return_to(pending.challenge(), target);
                    after_commit("the return target of a sign-in was not stored", stored).await;
                }
                return SignInOutcome::Pending(pending);
            }
            Outcome::Complete(complete) => *complete,
        };
        client.context().end_former(issued.session.id).await;
        // A device is remembered only by a sign-in that verified a second factor on it: a step-up
        // or a change renews its session.
        let begins = issued.session.renewals == 0 && issued.session.factors.len() > 1;
        let device = match client.remember() && begins {
            true => self.remember_device(&user, &issued.session).await,
            false => None,
        };
        let core = client.context().core();
        let mut signed_in = SignedIn::new(core.clone(), user, issued);
        signed_in.0.device = device;
        signed_in.0.return_to = client.return_to().map(ToOwned::to_owned);
        signed_in.0.cookies = client.forgotten_mail();
        SignInOutcome::Complete(signed_in)
    }
}
