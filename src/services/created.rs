//! The events of new users.

use super::Core;
use crate::{
    event::EventKind,
    model::{ClientInfo, UserId},
    store::UserOrigin,
};

impl Core {
    /// Records the sign-up of a user, who is new unless an anonymous user was converted.
    pub(crate) fn record_signed_up(&self, user: &UserId, client: &ClientInfo, is_new: bool) {
        self.events.record(self.event(EventKind::SignedUp).user(user).client(client));
        if is_new {
            self.record_created(user, client, UserOrigin::SignUp);
        }
    }

    /// Records the creation of a user.
    pub(crate) fn record_created(&self, user: &UserId, client: &ClientInfo, origin: UserOrigin) {
        let event = self.event(EventKind::UserCreated).user(user).client(client);
        self.events.record(event.with("origin", origin.as_str()));
    }
}
