//! Anonymous users, without HTTP.

use std::sync::Arc;

use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::RequestMembers,
    model::{ClientInfo, User},
    services::{Core, Outcome, SignInOptions, new_user_id},
    session::NewSession,
    store::{CreateUserOutcome, Creation, UserOrigin},
};

/// Creates anonymous users.
#[derive(Clone, Debug)]
pub struct AnonymousUserService {
    pub(super) core: Arc<Core>,
}

impl AnonymousUserService {
    /// Creates an anonymous user with a session that has no verified factor.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::SignUpDisabled`] if sign-up is disabled, or the application rejects users
    ///   without an email address.
    /// - [`ErrorKind::TransportDisabled`] if the transport is disabled.
    /// - [`ErrorKind::RateLimited`] by IP network.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn create(
        &self,
        options: &SignInOptions,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        self.create_with(options, client, None).await
    }

    /// Like [`create`](Self::create), with the members of the body for hooks.
    pub(super) async fn create_with(
        &self,
        options: &SignInOptions,
        client: ClientInfo,
        members: Option<&RequestMembers>,
    ) -> Result<Outcome, AuthError> {
        let core = &self.core;
        let delivery = options.delivery(core).await?;
        if core.passwords().is_ok_and(|passwords| !passwords.allows_sign_up()) {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        core.limits.sign_up(client.ip.as_deref()).await?;
        let now = whole_millis(core.clock.now());
        let user = User { is_anonymous: true, ..User::new(new_user_id(now)?, now) };
        let (user, kept) = core.may_sign_up(user, &client, members).await?;
        let creation = Creation::new(UserOrigin::Anonymous, kept);
        let user = match core.users.create_user(&user, None, creation).await? {
            CreateUserOutcome::Created(user) => *user,
            CreateUserOutcome::UsernameTaken => return Err(ErrorKind::UsernameTaken.into()),
            _ => return Err(ErrorKind::SignUpDisabled.into()),
        };
        let event = core.event(EventKind::SignedUp).user(&user.id);
        core.events.record(event.client(&client).reason("anonymous"));
        core.record_created(&user.id, &client, UserOrigin::Anonymous);
        let beginning = NewSession::new(Vec::new(), delivery, client);
        let issued = core.sessions.create_with(&user, beginning).await?;
        Ok(Outcome::complete(user, issued))
    }
}
