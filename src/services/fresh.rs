//! Recent authentication: the factors of a user, and the verified factors of a session.

use std::sync::{Arc, Weak};

use serde_json::Value;

use crate::{
    error::{AuthError, ErrorKind},
    model::{AvailableFactors, Factor, Session, Transport, User},
    services::{Account, Authority, Core, FactorUse, FreshUser},
    session::{AuthUser, AuthenticatedSession},
    store::{Credential, CredentialKind},
};

impl AuthUser {
    /// Requires that the user authenticated recently, with the strongest factor they have. It reads
    /// the session from the store. Call it after the body was read; on a route that a flow
    /// registers, [`FreshUser`] is also an extractor.
    ///
    /// ```
    /// use authlayer::{AuthError, AuthUser};
    /// use axum::Json;
    ///
    /// async fn close_account(user: AuthUser, Json(reason): Json<String>) -> Result<(), AuthError> {
    ///     let user = user.require_fresh().await?;
    ///     println!("{} closes the account: {reason}", user.id);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] with `methods`; [`ErrorKind::InvalidToken`] if the session has
    /// ended; [`ErrorKind::Forbidden`] for an API key; [`ErrorKind::Unavailable`].
    pub async fn require_fresh(&self) -> Result<FreshUser, AuthError> {
        let core: Option<Arc<Core>> = self.core();
        let core = core.ok_or_else(|| {
            AuthError::new(ErrorKind::Unavailable).with_source("the configuration is not in use")
        })?;
        core.fresh_user(self).await
    }
}

impl Core {
    /// Returns the factors that a user can verify on a session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn available_factors(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<AvailableFactors, AuthError> {
        // An administrator cannot verify a factor of the user.
        if session.impersonator.is_some() {
            return Ok(AvailableFactors::default());
        }
        let credentials = self.credentials.list_credentials(&user.id).await?;
        let is_cookie = session.transport == Transport::Cookie;
        let has_password =
            self.passwords().is_ok() && self.has_password(user, &credentials).await?;
        let has_provider = is_cookie && self.has_timed_provider(&credentials).await?;
        let has_mailbox =
            self.outbox.is_some() && self.codes().is_some() && user.verified_email().is_some();
        let own: AvailableFactors = [
            has_password.then_some(Factor::Password),
            has_provider.then_some(Factor::Provider),
            has_mailbox.then_some(Factor::EmailCode),
        ]
        .into_iter()
        .flatten()
        .collect();
        let barred = match self.has_only_barred_identities(session, &credentials).await? {
            true => Some(Factor::Provider),
            false => None,
        };
        let account = Account::new(user.clone(), credentials);
        let for_step_up = FactorUse::StepUp { session };
        let offered =
            self.factors().iter().filter(|factor| factor.is_offered(&account, for_step_up));
        let all = offered.fold(own, |all, factor| all.with(factor.factor(), factor.strength()));
        let missing = self.unverifiable(&account).into_iter().map(|own| own.strength).max();
        Ok(all.at_least(missing).barring(barred))
    }

    /// Returns whether the identities that may have verified a factor of the session are all barred. A
    /// session that began with another factor remains, but a step-up by such an identity no longer
    /// counts.
    async fn has_only_barred_identities(
        &self,
        session: &Session,
        credentials: &[Credential],
    ) -> Result<bool, AuthError> {
        if !session.factors.iter().any(|proof| proof.method == Factor::Provider) {
            return Ok(false);
        }
        let mut has_any = false;
        for own in credentials.iter().filter(|own| own.kind == CredentialKind::Identity) {
            has_any = true;
            if !self.is_barred(own).await? {
                return Ok(false);
            }
        }
        Ok(has_any)
    }

    /// Returns whether a user has an identity whose provider states the time of every sign-in, and
    /// has not barred it.
    async fn has_timed_provider(&self, credentials: &[Credential]) -> Result<bool, AuthError> {
        let is_timed = |own: &&Credential| {
            let provider = own.data.get("provider").and_then(Value::as_str);
            own.kind == CredentialKind::Identity
                && provider.is_some_and(|own| self.providers.prove_time_at_sign_in(own))
        };
        for own in credentials.iter().filter(is_timed) {
            if !self.is_barred(own).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the user of a verified session.
    pub(crate) fn auth_user(&self, resolved: Arc<AuthenticatedSession>) -> AuthUser {
        AuthUser::new(resolved, || Weak::clone(&self.me) as _)
    }

    /// Requires that the user authenticated recently on a session that still exists.
    ///
    /// # Errors
    ///
    /// As [`AuthUser::require_fresh`].
    pub(crate) async fn fresh_user(&self, user: &AuthUser) -> Result<FreshUser, AuthError> {
        if user.api_key().is_some() {
            return Err(Self::not_by_key());
        }
        let current = self.sessions.current(user.session()).await?;
        let current = self.auth_user(current.ok_or(ErrorKind::InvalidToken)?);
        self.require_fresh(current.user(), current.session()).await?;
        Ok(FreshUser::new(current))
    }

    /// Requires that the user authenticated recently on the session, with the strongest factor they
    /// have. While an account recovery is open on the session, the next weaker one suffices.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] with `methods`; [`ErrorKind::Unavailable`].
    pub(crate) async fn require_fresh(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<Authority, AuthError> {
        if session.impersonator.is_some() {
            return Err(ErrorKind::Impersonating.into());
        }
        let (age, now) = (self.sessions.options().fresh, self.clock.now());
        let is_fresh =
            |available: &AvailableFactors| available.is_fresh(&session.factors, age, now);
        // No factor is stronger than a passkey, so the credentials need not be read.
        if is_fresh(&Factor::BY_STRENGTH.into_iter().collect()) {
            return Ok(Authority::Fresh);
        }
        let available = self.available_factors(user, session).await?;
        if is_fresh(&available) {
            return Ok(Authority::Fresh);
        }
        let available = self.with_recovery(available, user, session).await?;
        if is_fresh(&available) {
            return Ok(Authority::Waived);
        }
        Err(step_up_with(&available))
    }

    /// Returns the error for a session whose authority does not suffice, with the `methods` that
    /// would.
    pub(crate) async fn step_up_required(&self, session: &Session) -> AuthError {
        let available = async {
            let user = self.users.find_user(&session.user_id).await?;
            let user = user.ok_or(ErrorKind::InvalidToken)?;
            let available = self.available_factors(&user, session).await?;
            self.with_recovery(available, &user, session).await
        };
        available.await.map_or_else(|error| error, |available| step_up_with(&available))
    }
}

fn step_up_with(available: &AvailableFactors) -> AuthError {
    let methods: Vec<_> = available.all_strongest().into_iter().map(Factor::as_str).collect();
    AuthError::new(ErrorKind::StepUpRequired).with_extension("methods", methods)
}
