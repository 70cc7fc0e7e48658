//! The one way to a session.

use jiff::Timestamp;

use super::{
    Client, Consumed, Core, Outcome, PendingChallenge, Services, SignInOutcome, SignedIn,
    credentials::CredentialUse, sign_in::Attempt,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::Purpose,
    model::{Factor, Proof, UserId},
};

/// The one way to a session: hooks, second factors, devices, limits of sessions and notices are
/// behind it.
#[derive(Clone, Debug)]
pub struct SignIn(Services);

/// Evidence that a first factor was verified. It is not `Clone`: one evidence, one session.
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

    /// A challenge that was consumed, for the user that it was issued for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a challenge of no user.
    pub fn challenge<T>(factor: Factor, consumed: Consumed<T>) -> Result<Self, AuthError> {
        let user = consumed.user_id().cloned().ok_or(ErrorKind::ChallengeExpired)?;
        Ok(Self::new(user, factor))
    }

    /// A credential that was verified in a ceremony which was consumed.
    pub fn ceremony<T>(factor: Factor, _consumed: Consumed<T>, used: CredentialUse) -> Self {
        Self::new(used.user_id.clone(), factor).using(used)
    }

    /// A verification outside of this crate, such as an LDAP bind or a client certificate.
    ///
    /// # Security
    ///
    /// The caller is responsible for it: this signs in any active user.
    pub fn asserted(user: &UserId, factor: Factor) -> Self {
        Self::new(user.clone(), factor)
    }

    /// Records the use of a credential together with the session.
    pub fn using(mut self, used: CredentialUse) -> Self {
        self.using = Some(used);
        self
    }

    /// States that the verification included a second factor, so that none is requested.
    pub fn multi_factor(mut self) -> Self {
        self.is_multi_factor = true;
        self
    }

    /// Sets the time of the verification; by default it is now.
    pub fn verified_at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Sets the error for a user who may not sign in; by default `invalid_credentials`.
    pub fn rejected_as(mut self, kind: ErrorKind) -> Self {
        self.rejected_as = kind;
        self
    }
}

impl Services {
    /// Returns the one way to a session.
    pub fn sign_in(&self) -> SignIn {
        SignIn(self.clone())
    }
}

impl SignIn {
    /// Signs a user in, or returns what the sign-in still requires.
    ///
    /// The session that the client had ends when another one begins.
    ///
    /// # Errors
    ///
    /// `invalid_credentials`, or what [`rejected_as`](VerifiedFactor::rejected_as) says, for a user
    /// who is gone or disabled, or when the use of the credential cannot be recorded;
    /// `invalid_redirect`; `transport_disabled`; what a hook rejects with;
    /// [`ErrorKind::Unavailable`].
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
            let event = event.ip(client.info().ip.as_deref());
            self.events.record(event.reason("disabled"));
            return Err(ErrorKind::InvalidCredentials.into());
        };
        // A credential that has changed hands since the challenge was issued proves nothing.
        if using.as_ref().is_some_and(|using| !using.is_of(&id)) {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let options = client.options();
        let transport = self.sessions.options().transport(options.transport)?;
        let device = self.find_device(options.device_token.as_deref()).await?;
        let now = whole_millis(self.clock.now());
        let proof = Proof::new(factor, at.unwrap_or(now));
        let proof = using.as_ref().map_or(proof, |using| proof.by(using.id()));
        let using = using.map(|using| using.at(now));
        let attempt = Attempt {
            device,
            using,
            is_multi_factor,
            ..Attempt::new(user, proof, transport, client.info().clone())
        };
        self.finish_sign_in(attempt).await
    }

    /// Turns an outcome into a response of the client: its former session gives way to a new one,
    /// and the device is remembered where the client asked for it.
    pub(crate) async fn respond(&self, client: &Client, outcome: Outcome) -> SignInOutcome {
        let (user, issued) = match outcome {
            Outcome::Pending(pending) => {
                return SignInOutcome::Pending(PendingChallenge::new(pending));
            }
            Outcome::Complete(complete) => *complete,
        };
        client.context().end_former(issued.session.id).await;
        // A device is remembered for the second factor that was verified on it.
        let has_second = issued.session.factors.len() > 1;
        let device = match client.remember() && has_second {
            true => self.remember_device(&user, &issued.session).await,
            false => None,
        };
        let core = client.context().core();
        let mut signed_in = SignedIn::new(core.clone(), user, issued);
        signed_in.0.device = device;
        signed_in.0.return_to = client.return_to().map(ToOwned::to_owned);
        SignInOutcome::Complete(signed_in)
    }
}
