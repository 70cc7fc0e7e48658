//! Two-step verification that a user turns on with passkeys alone.

use serde_json::{Value, json};

use super::AccountService;
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Session, User},
    services::new_user_id,
    store::{AccountWrites, Applied, Credential, CredentialKind, Remove, Requirement},
};

impl AccountService {
    /// Turns two-step verification on or off. Returns whether it is on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSecondFactor`] unless the user has two passkeys with user verification, or one
    /// that is backed up;
    /// [`ErrorKind::SecondFactorEnrolled`] if a factor turns it on by itself.
    pub(super) async fn set_two_step(
        &self,
        user: &User,
        session: &Session,
        enabled: bool,
        client: &ClientInfo,
    ) -> Result<bool, AuthError> {
        let core = &self.core;
        let account = core.account(user).await?;
        if core.turns_on_two_step(&account) {
            return if enabled { Ok(true) } else { Err(ErrorKind::SecondFactorEnrolled.into()) };
        }
        let marker = account.of_kind(CredentialKind::TwoStep).next();
        let is_backed_up = |own: &Credential| own.data.get("backed_up") == Some(&Value::Bool(true));
        // A sign-in that such a passkey begins completes only with user verification, of which it
        // may not be capable.
        let is_usable = |own: &&Credential| own.is_passkey() && !own.is_unverified();
        let passkeys = || account.of_kind(CredentialKind::Passkey).filter(is_usable);
        let is_safe = passkeys().count() > 1 || passkeys().any(is_backed_up);
        let (mut put, mut remove) = (Vec::new(), Remove::Nothing);
        match (enabled, marker) {
            (true, _) if !is_safe || !core.has_second_factor(&account) => {
                return Err(ErrorKind::NoSecondFactor.into());
            }
            (true, Some(_)) => return Ok(true),
            (false, None) => return Ok(false),
            (true, None) => put.push(self.marker(user)?),
            (false, Some(marker)) => {
                let (kind, id) = (marker.kind, marker.id.clone());
                remove = Remove::One { kind, id, sign_in: Vec::new() };
            }
        }
        let notice = core.notice(user, MessageKind::TwoStepChanged, Occasion::of(client));
        let mails = notice.rows();
        let write = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: vec![Requirement::session(session)],
                remove: remove.clone(),
                put: put.clone(),
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        let Applied::Done(_) = core.users.apply(&user.id, &write).await? else {
            return Err(ErrorKind::InvalidToken.into());
        };
        let event = core.event(EventKind::TwoStepChanged).user(&user.id).session(session.id);
        let event = event.client(client);
        core.events.record(event.reason(if enabled { "on" } else { "off" }));
        notice.send();
        Ok(enabled)
    }

    fn marker(&self, user: &User) -> Result<Credential, AuthError> {
        let now = whole_millis(self.core.clock.now());
        Ok(Credential {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.id.clone(),
            kind: CredentialKind::TwoStep,
            lookup: user.id.as_str().to_owned(),
            data: json!({}),
            created_at: now,
            updated_at: now,
            last_used_at: None,
        })
    }
}
