//! Usernames at a sign-up and in a profile.

use crate::{
    error::AuthError,
    model::{User, UserId, Username},
    services::Core,
};

impl Core {
    /// Parses the username of a sign-up. It is ignored if there are no usernames.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMembers`](crate::error::ErrorKind::InvalidMembers) if it is invalid or reserved.
    pub(crate) fn chosen_username(
        &self,
        text: Option<&str>,
    ) -> Result<Option<Username>, AuthError> {
        let text = text.filter(|_| self.usernames.is_enabled());
        let choose = |text| self.usernames.choose(text);
        text.map(choose).transpose().map_err(|_| AuthError::invalid_username())
    }

    /// Returns whether another user has the username of this user, or one that looks like it.
    /// `own` is the user who may have it already.
    pub(crate) async fn is_username_taken(
        &self,
        user: &User,
        own: Option<&UserId>,
    ) -> Result<bool, AuthError> {
        let Some(name) = self.usernames.of(user) else { return Ok(false) };
        let holder = self.users.find_user_by_skeleton(&name).await?;
        Ok(holder.is_some_and(|holder| holder.id != user.id && Some(&holder.id) != own))
    }
}
