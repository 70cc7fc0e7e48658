//! Credentials that a sign-in adds.

use jiff::Timestamp;

use super::{
    Core, Credential, CredentialOptions, Credentials,
    adding::{AddingCredential, WaitingCredential},
    credentials::{ADDED, CredentialKinds},
};
use crate::{
    error::{AuthError, ErrorKind},
    mail::Occasion,
    model::{Session, User, UserId},
    store::Credential as Row,
};

impl AddingCredential {
    pub(super) fn new<T>(kind: &Credentials<T>, credential: &Credential<T>) -> Self {
        let credential_of_kind = WaitingCredential {
            id: credential.id.clone(),
            kind: kind.kind().as_str().to_owned(),
            lookup: credential.lookup.clone(),
            data: credential.stored().clone(),
        };
        Self { credential: credential_of_kind, user: credential.user_id.clone() }
    }

    pub(super) fn is_of(&self, user: &UserId) -> bool {
        self.user == *user
    }

    /// Returns the row, and the maximum number of credentials of its kind.
    pub(super) fn row(&self, core: &Core, now: Timestamp) -> Result<(Row, u32), AuthError> {
        let row = self.credential.clone().row(&self.user, now)?;
        let (_, options) = self.kind(core).ok_or(ErrorKind::Unavailable)?;
        Ok((row, options.max_per_user))
    }

    fn kind<'a>(&self, core: &'a Core) -> Option<(&'static str, &'a CredentialOptions)> {
        let kinds = core.offered::<CredentialKinds>()?;
        kinds.0.get_key_value(&*self.credential.kind).map(|(name, options)| (*name, options))
    }
}

impl Core {
    /// Records that a sign-in added a credential, and notifies the user.
    pub(super) fn was_added(&self, user: &User, session: &Session, adding: &AddingCredential) {
        let Some((name, options)) = adding.kind(self) else { return };
        let event = self.event(ADDED).user(&user.id).session(session.id);
        self.events.record(event.reason(name));
        if options.notifies {
            let about = Occasion::of(&session.client).what(name);
            self.notify(user, options.added_message, about);
        }
    }
}
