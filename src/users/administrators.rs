//! The last administrator: acts of administrators leave one who can administer.
//!
//! The rule of the flow `Admin` decides which users these are. An act that takes a user away from
//! them names another one, who is read again at the end of its transaction.

use std::sync::Arc;

use super::{UserQuery, Users, administrator_rule::Administrators};
use crate::{
    error::{AuthError, ErrorKind},
    model::{Rule, User, UserId, UserStatus},
    store::{CompleteFn, DeleteOutcome, EditFn, EditOutcome, Remaining},
};

/// The maximum number of attempts of an act while other administrators change too.
const MAX_ATTEMPTS: usize = 8;
/// The number of users in a page of the search for another administrator.
const PAGE: u32 = 500;

impl Users {
    /// Sets the rule of administrators. The first flow sets it.
    pub(crate) fn set_administrators(&self, rule: &Rule) {
        let _set_before = self.administrators.set(Administrators::new(rule));
    }

    /// Returns a service whose changes leave an administrator, like those of an
    /// [administrator](Self::by). An administrator is an active user who passes the rule of the flow
    /// [`Admin`](crate::Admin).
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, User, UserId};
    /// async fn block(auth: Auth, user: UserId) -> Result<User, AuthError> {
    ///     auth.users().protect_last_admin().disable(&user).await
    /// }
    /// ```
    #[must_use]
    pub fn protect_last_admin(&self) -> Self {
        let mut service = self.clone();
        service.leaves_administrator = true;
        service
    }

    fn must_leave_administrator(&self) -> bool {
        self.leaves_administrator || self.actor.is_some()
    }

    /// Returns the administrator who must remain if this user is not one afterwards; `None` if the
    /// user is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LastAdmin`] if there is no other one.
    pub(crate) async fn remaining(&self, id: &UserId) -> Result<Option<Remaining>, AuthError> {
        let Some(administrators) = self.administrators.get() else { return Ok(None) };
        let user = self.accounts.find_user(id).await?;
        if !user.is_some_and(|user| (administrators.passes)(&user)) {
            return Ok(None);
        }
        let other = self.other_administrator(administrators, id).await?;
        let other = other.ok_or(ErrorKind::LastAdmin)?;
        self.condition(administrators, other, id).await.map(Some)
    }

    /// Returns the condition that an administrator remains when a user changes.
    async fn condition(
        &self,
        administrators: &Administrators,
        user: UserId,
        changed: &UserId,
    ) -> Result<Remaining, AuthError> {
        let condition = Remaining { user, passes: Arc::clone(&administrators.passes) };
        Ok(self.accounts.complete_condition(condition, changed).await?)
    }

    async fn other_administrator(
        &self,
        administrators: &Administrators,
        id: &UserId,
    ) -> Result<Option<UserId>, AuthError> {
        // The administrator who acts is usually another one.
        if let Some(actor) = self.acting_administrator(administrators, id).await? {
            return Ok(Some(actor));
        }
        let passes = |user: &User| user.id != *id && (administrators.passes)(user);
        let mut query = UserQuery::new().status(UserStatus::Active).limit(PAGE);
        if let Some(role) = &administrators.role {
            query = query.role(role);
        }
        loop {
            let page = self.list(&query).await?;
            if let Some(user) = page.users.into_iter().find(passes) {
                return Ok(Some(user.id));
            }
            let Some(cursor) = page.next_cursor else { return Ok(None) };
            query = query.cursor(cursor);
        }
    }

    /// Returns the administrator who acts, if it is another user.
    async fn acting_administrator(
        &self,
        administrators: &Administrators,
        id: &UserId,
    ) -> Result<Option<UserId>, AuthError> {
        let Some(actor) = self.actor.as_ref().filter(|actor| *actor != id) else { return Ok(None) };
        let user = self.accounts.find_user(actor).await?;
        Ok(user.filter(|user| (administrators.passes)(user)).map(|user| user.id))
    }

    /// Edits a user. An act of an administrator leaves another administrator.
    pub(super) async fn edit_keeping(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
        complete: CompleteFn<'_>,
    ) -> Result<EditOutcome, AuthError> {
        for _ in 0..MAX_ATTEMPTS {
            let remaining = self.remaining_after(id, edit).await?;
            let accounts = &self.accounts;
            match accounts.edit_completing(id, edit, None, remaining.as_ref(), complete).await? {
                EditOutcome::NoneRemains => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(EditOutcome::NoneRemains)
    }

    /// Returns the administrator who must remain after an edit that the user does not pass the rule
    /// after.
    async fn remaining_after(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
    ) -> Result<Option<Remaining>, AuthError> {
        let Some(administrators) = self.administrators.get() else { return Ok(None) };
        if !self.must_leave_administrator() {
            return Ok(None);
        }
        let Some(before) = self.accounts.find_user(id).await? else { return Ok(None) };
        let mut after = before.clone();
        if !edit(&mut after) || (administrators.passes)(&after) {
            return Ok(None);
        }
        let other = match (administrators.passes)(&before) {
            true => {
                self.other_administrator(administrators, id).await?.ok_or(ErrorKind::LastAdmin)?
            }
            // The user may become an administrator before the edit.
            false => match self.acting_administrator(administrators, id).await? {
                Some(actor) => actor,
                None => return Ok(None),
            },
        };
        self.condition(administrators, other, id).await.map(Some)
    }

    /// Deletes a user. An act of an administrator leaves another administrator.
    pub(super) async fn delete_keeping(&self, id: &UserId) -> Result<DeleteOutcome, AuthError> {
        for _ in 0..MAX_ATTEMPTS {
            let remaining = match self.must_leave_administrator() {
                true => self.remaining(id).await?,
                false => None,
            };
            match self.accounts.delete_user_keeping(id, remaining.as_ref()).await? {
                DeleteOutcome::NoneRemains => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(DeleteOutcome::NoneRemains)
    }
}
