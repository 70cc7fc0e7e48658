//! Changes of the profile by the user.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::AccountService;
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Patch, Session, User, Username},
    store::{AccountWrites, Applied, Requirement},
    users::UserPatch,
};

/// The maximum size of `user_metadata` as JSON, in bytes.
const MAX_METADATA_LEN: usize = 8 * 1024;
const LOCALE: &str = "locale";

/// A merge patch (RFC 7396) of the members that a user can change. An absent member is unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ProfilePatch {
    pub(super) display_name: Patch<String>,
    pub(super) avatar_url: Patch<String>,
    pub(super) username: Patch<Username>,
    pub(super) user_metadata: Patch<Map<String, Value>>,
    /// Replaces `user_metadata.locale`.
    pub(super) locale: Patch<String>,
}

impl ProfilePatch {
    fn apply(&self, user: &mut User) {
        let patch = UserPatch {
            display_name: self.display_name.clone(),
            avatar_url: self.avatar_url.clone(),
            username: self.username.clone().map(|name| name.to_string()),
            user_metadata: self.user_metadata.clone(),
            ..UserPatch::default()
        };
        patch.apply(user);
        match &self.locale {
            Patch::Set(locale) => {
                user.user_metadata.insert(LOCALE.to_owned(), locale.as_str().into());
            }
            Patch::Clear => {
                user.user_metadata.remove(LOCALE);
            }
            Patch::Keep => {}
        }
    }

    /// Returns the name of the member that makes the metadata of `user` too long.
    fn oversized(&self, user: &User) -> Option<&'static str> {
        let name = match (self.user_metadata.is_keep(), self.locale.is_keep()) {
            (false, _) => "user_metadata",
            (true, false) => LOCALE,
            (true, true) => return None,
        };
        let len = serde_json::to_vec(&user.user_metadata).map_or(usize::MAX, |text| text.len());
        (len > MAX_METADATA_LEN).then_some(name)
    }
}

impl AccountService {
    /// Changes the profile of the user of a session that still exists. Returns the user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMembers`] if the metadata are too long, the username is reserved or there
    /// are no usernames, or the store of users has no such field; [`ErrorKind::UsernameTaken`];
    /// [`ErrorKind::InvalidToken`] if the session has ended.
    pub(super) async fn edit_profile(
        &self,
        user: &User,
        session: &Session,
        patch: &ProfilePatch,
        client: &ClientInfo,
    ) -> Result<User, AuthError> {
        if *patch == ProfilePatch::default() {
            return Ok(user.clone());
        }
        let core = &self.core;
        let rules = &core.usernames;
        match &patch.username {
            Patch::Set(_) | Patch::Clear if !rules.is_enabled() => {
                return Err(AuthError::invalid_username());
            }
            Patch::Set(name) if !rules.allow(name) => return Err(AuthError::invalid_username()),
            _ => {}
        }
        let now = whole_millis(core.clock.now());
        let is_too_long = AtomicBool::new(false);
        let write = |own: &User| {
            let mut edited = User { updated_at: now, ..own.clone() };
            patch.apply(&mut edited);
            let oversized = patch.oversized(&edited).is_some();
            is_too_long.store(oversized, Ordering::Relaxed);
            (own.is_active() && !oversized).then(|| AccountWrites {
                requires: vec![Requirement::session(session)],
                ..AccountWrites::new(edited)
            })
        };
        let edited = match core.users.apply(&user.id, &write).await? {
            Applied::Done(user) => *user,
            Applied::Declined if is_too_long.into_inner() => {
                let is_locale = patch.user_metadata.is_keep();
                return Err(invalid(if is_locale { LOCALE } else { "user_metadata" }));
            }
            Applied::Taken if !patch.username.is_keep() => {
                return Err(ErrorKind::UsernameTaken.into());
            }
            Applied::Unsupported(field) => {
                let is_locale = field == "user_metadata" && patch.user_metadata.is_keep();
                return Err(invalid(if is_locale { LOCALE } else { field }));
            }
            _ => return Err(ErrorKind::InvalidToken.into()),
        };
        let event = core.event(EventKind::AccountUpdated).user(&user.id).session(session.id);
        core.events.record(event.client(client));
        Ok(edited)
    }
}

fn invalid(member: &'static str) -> AuthError {
    AuthError::new(ErrorKind::InvalidMembers).with_extension("members", vec![member])
}
