//! Sign-ins by flows outside this crate.

use jiff::Timestamp;

use super::{
    Client, Consumed, Core, Outcome, PendingChallenge, Services, SignInOutcome, SignedIn,
    credentials::CredentialUse, sign_in::Attempt,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    hook::Purpose,
    model::{Factor, FactorProof, UserId},
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
}

impl VerifiedFactor {
    fn new(user: UserId, factor: Factor) -> Self {
        factor.register();
        let rejected_as = ErrorKind::InvalidCredentials;
        Self { user, factor, at: None, is_multi_factor: false, using: None, rejected_as }
    }

    /// Creates the evidence from a consumed challenge, for the user it was issued for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a challenge without a user.
    pub fn challenge<T>(factor: Factor, consumed: Consumed<T>) -> Result<Self, AuthError> {
        let user = consumed.user_id().cloned().ok_or(ErrorKind::ChallengeExpired)?;
        Ok(Self::new(user, factor))
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

    /// Sets the time of the verification; the current time by default.
    pub fn verified_at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
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

impl Core {
    async fn complete_first_factor(
        &self,
        client: &Client,
        first: VerifiedFactor,
    ) -> Result<Outcome, AuthError> {
        let VerifiedFactor { user: id, factor, at, is_multi_factor, using, .. } = first;
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
        let options = client.options();
        let delivery = options.delivery(self)?;
        let device = self.find_device(options.device_token.as_deref()).await?;
        let now = whole_millis(self.clock.now());
        let proof = FactorProof::new(factor, at.unwrap_or(now));
        let proof = using.as_ref().map_or(proof, |using| proof.by(using.id()));
        let using = using.map(|using| using.at(now));
        let attempt = Attempt {
            device,
            using,
            is_multi_factor,
            ..Attempt::new(user, proof, delivery, client.info().clone())
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
        // A device is remembered only after a second factor was verified on it.
        let has_second = issued.session.factors.len() > 1;
        let device = match client.remember() && has_second {
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
