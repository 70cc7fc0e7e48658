//! Links and step-ups on a session, without HTTP.

mod routes;

pub(super) use routes::{LINK, STEP_UP, link, step_up, with_flow};

use jiff::Timestamp;

use super::{
    OAuthService,
    ceremony::{AuthorizationRequest, Ceremony},
    parameters::CallbackOutcome,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Factor, FactorProof, Session, Transport, User},
    provider::ProviderProfile,
    services::{Outcome, ReliesOn, StepUp, Verified},
};

impl OAuthService {
    /// Starts linking an identity to the user of a session in a browser.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRedirect`] if the redirect target is not allowed.
    /// - [`ErrorKind::TransportDisabled`] if the tokens of the session are not in cookies.
    /// - [`ErrorKind::ProviderError`] if the provider does not respond.
    pub async fn start_link(
        &self,
        user: &User,
        session: &Session,
        redirect_to: Option<String>,
    ) -> Result<AuthorizationRequest, AuthError> {
        self.begin(self.link_ceremony(session, redirect_to)?, Some(user)).await
    }

    /// Checks the options of a link, without a request or a statement.
    pub(super) fn link_ceremony(
        &self,
        session: &Session,
        redirect_to: Option<String>,
    ) -> Result<Ceremony, AuthError> {
        let mut ceremony = self.on_session(session, redirect_to)?;
        ceremony.link = Some(session.id.to_string());
        Ok(ceremony)
    }

    /// Starts a step-up of a session in a browser: the user has to authenticate again at the
    /// provider.
    ///
    /// # Errors
    ///
    /// As [`start_link`](Self::start_link), and [`ErrorKind::NotFound`] if the provider does not
    /// return the time of authentication.
    pub async fn start_step_up(
        &self,
        user: &User,
        session: &Session,
        redirect_to: Option<String>,
    ) -> Result<AuthorizationRequest, AuthError> {
        self.begin(self.step_up_ceremony(session, redirect_to)?, Some(user)).await
    }

    /// Checks the options of a step-up, without a request or a statement.
    pub(super) fn step_up_ceremony(
        &self,
        session: &Session,
        redirect_to: Option<String>,
    ) -> Result<Ceremony, AuthError> {
        if !self.provider.proves_time() {
            return Err(ErrorKind::NotFound.into());
        }
        let mut ceremony = self.on_session(session, redirect_to)?;
        ceremony.step_up = Some(session.id.to_string());
        Ok(ceremony)
    }

    /// Creates a ceremony that returns to the session of a browser.
    fn on_session(
        &self,
        session: &Session,
        redirect_to: Option<String>,
    ) -> Result<Ceremony, AuthError> {
        let place = redirect_to.unwrap_or_else(|| "/".to_owned());
        self.core.redirects.check(&place)?;
        if session.transport != Transport::Cookie {
            return Err(AuthError::new(ErrorKind::TransportDisabled)
                .with_detail("Start in a browser session that uses cookies."));
        }
        Ok(Ceremony::new(&self.core, &self.provider, place))
    }

    /// Links an identity, which does not count as authentication, or completes a step-up. Both
    /// change the privileges of the session, so it gets new tokens.
    pub(super) async fn finish_on(
        &self,
        ceremony: Ceremony,
        profile: &ProviderProfile,
        user: &User,
        session: &Session,
        client: &ClientInfo,
        begun_at: Timestamp,
    ) -> Result<CallbackOutcome, AuthError> {
        let core = &self.core;
        let outcome = if ceremony.step_up.is_some() {
            let at = profile.proved_at.ok_or(ErrorKind::ProviderError)?;
            let identity = core.identity_of(user, &self.provider, profile).await?;
            let identity = identity.ok_or(ErrorKind::InvalidState)?;
            core.require_not_barred(&identity.lookup).await?;
            let at = at.min(whole_millis(core.clock.now()));
            let proof = FactorProof::new(Factor::Provider, at);
            let proof = proof.multi_factor(profile.is_multi_factor);
            let relies_on = ReliesOn::Credential(Verified::existing(&identity));
            let proved = core.step_up(user, session, StepUp { proof, relies_on }).await;
            let proved = proved.map_err(|error| match error.kind() {
                // The identity was unlinked in the meantime.
                ErrorKind::InvalidCredentials => ErrorKind::InvalidState.into(),
                _ => error,
            })?;
            let event = core.event(EventKind::SteppedUp).user(&user.id).session(session.id);
            core.events.record(event.client(client));
            proved
        } else {
            let linked = core.link(user, session, &self.provider, profile, client, begun_at);
            let (user, issued) = linked.await?;
            Outcome::complete(user, issued)
        };
        Ok(CallbackOutcome::Browser { outcome, redirect_to: ceremony.redirect_to })
    }
}
