//! The index of existing usernames.

use jiff::SignedDuration;

use super::Users;
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    model::{User, UserId, Username},
    store::EditOutcome,
};

const BATCH: u32 = 500;
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

impl Users {
    /// Normalizes and indexes the usernames of existing users, and returns the users whose username
    /// is invalid or looks like that of another user. They keep it, but cannot sign in with it if
    /// it is invalid. Run this once when you turn on [usernames](crate::AuthBuilder::usernames) for
    /// users who have them already, and when the changelog of this crate says that skeletons have
    /// changed. Usernames that are indexed are not written again.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// for id in auth.users().index_usernames().await? {
    ///     println!("the username of {id} has to be changed");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if there are no usernames; [`ErrorKind::Unavailable`] if the
    /// store fails.
    pub async fn index_usernames(&self) -> Result<Vec<UserId>, AuthError> {
        if !self.usernames.is_enabled() {
            return Err(AuthError::new(ErrorKind::Misconfigured)
                .with_source("index_usernames requires AuthBuilder::usernames(true)"));
        }
        let (mut last, mut rejected) = (None, Vec::new());
        loop {
            let page = self.accounts.list_users(last.as_ref(), BATCH).await?;
            let Some(end) = page.last() else { return Ok(rejected) };
            last = Some(end.id.clone());
            for user in page {
                let Some(text) = &user.username else { continue };
                let is_indexed = match Username::parse(text) {
                    Ok(name) => self.index_username(&user.id, text, &name).await?,
                    Err(_) => false,
                };
                if !is_indexed {
                    rejected.push(user.id);
                }
            }
        }
    }

    /// Writes a username again, which computes its skeleton. Returns whether no other user has it.
    async fn index_username(
        &self,
        id: &UserId,
        text: &str,
        name: &Username,
    ) -> Result<bool, AuthError> {
        let holder = self.accounts.find_user_by_skeleton(name).await?;
        if let Some(holder) = holder {
            if holder.id != *id {
                return Ok(false);
            }
            if text == name.as_str() {
                return Ok(true);
            }
        }
        let now = whole_millis(self.clock.now());
        let edit = |user: &mut User| {
            let is_same = user.username.as_deref() == Some(text);
            user.username = Some(name.to_string());
            // A user without any change is not written.
            user.updated_at = now.max(user.updated_at.saturating_add(MILLISECOND).unwrap_or(now));
            is_same
        };
        match self.accounts.edit_user(id, &edit, None).await? {
            EditOutcome::Taken => Ok(false),
            // A user may have taken the skeleton since it was looked up.
            EditOutcome::Done(_) => {
                let holder = self.accounts.find_user_by_skeleton(name).await?;
                Ok(holder.is_none_or(|holder| holder.id == *id))
            }
            // A user who was deleted or renamed in the meantime needs nothing.
            _ => Ok(true),
        }
    }
}
