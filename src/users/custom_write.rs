//! Transitions of users in a custom store. The user and, if the store has passwords, the password
//! are written there; everything else is written to our tables.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{erased::AnyUserStore, ports::UpdateOutcome, time_limit::TimeLimited};
use crate::{
    crypto::random,
    model::User,
    store::{
        AccountWrites, Applied, Credential, CredentialKind, EndSessions, Field, Remove,
        SessionWrite, Store, StoreError,
    },
};

/// A transition that was decided on a user as read from the custom store.
pub(super) struct Write {
    pub(super) users: Arc<TimeLimited<dyn AnyUserStore>>,
    pub(super) ours: Arc<dyn Store>,
    pub(super) before: User,
    /// The writes, without a password that goes to the custom store.
    pub(super) writes: AccountWrites,
    /// The hash of the password that the custom store receives.
    pub(super) hash: Option<String>,
}

/// The outcome of writing the user to the custom store.
#[derive(Debug)]
enum UserWrite {
    Done,
    /// Another writer changed the user in the meantime.
    Conflict,
    /// The store rejected the user.
    NotApplied(Applied),
}

impl Write {
    /// Writes everything or nothing, as far as two stores allow it. Returns `None` if the user was
    /// changed by another writer in the meantime.
    ///
    /// The conditions are checked before the first write. The password is set before sessions are
    /// ended, so that a sign-in with the previous password in between does not leave a session. If
    /// a condition is no longer met after the password is set, all sessions end, including the one
    /// of the transition.
    pub(super) async fn run(self) -> Result<Option<Applied>, StoreError> {
        let Self { ours, before, writes, hash, .. } = &self;
        let id = &before.id;
        if hash.is_some() || !Field::changes(before, &writes.user).is_empty() {
            // The check uses the user as before: a check with a disabled user would end the
            // sessions at once.
            let check = AccountWrites { user: before.clone(), ..writes.conditions() };
            match ours.apply(id, &|_| Some(check.clone())).await? {
                Applied::Done(_) => {}
                unmet => return Ok(Some(unmet)),
            }
        }
        match self.update(before, &writes.user).await? {
            UserWrite::Done => {}
            UserWrite::Conflict => return Ok(None),
            UserWrite::NotApplied(applied) => return Ok(Some(applied)),
        }
        let applied = self.apply_rest().await;
        if !matches!(applied, Ok(Applied::Done(_) | Applied::SessionEnded(_))) {
            let restored = self.update(&writes.user, before).await;
            if !matches!(restored, Ok(UserWrite::Done)) {
                tracing::error!(user = %id, ?restored, "a failed change was not reverted");
            }
            return applied.map(Some);
        }
        self.confirm(applied?).await.map(Some)
    }

    /// Fetches the user again after a transition was applied. The session of the transition is
    /// deleted if the user has been disabled or if the store does not respond.
    async fn confirm(&self, applied: Applied) -> Result<Applied, StoreError> {
        let Self { users, ours, before, writes, hash } = self;
        let id = &before.id;
        match users.find(id).await {
            Ok(None) => {
                self.take_back().await?;
                Ok(Applied::Unknown)
            }
            Ok(Some(now)) if before.is_active() && !now.is_active() => {
                let end = AccountWrites { end: EndSessions::All, ..AccountWrites::new(now) };
                ours.apply(id, &|_| Some(end.clone())).await?;
                Ok(self.without_session())
            }
            Ok(Some(_)) => Ok(applied),
            Err(error) => {
                self.end_session().await?;
                let is_changed = hash.is_some() || !Field::changes(before, &writes.user).is_empty();
                if is_changed || !self.inserts() {
                    // The caller still reports the change to the user.
                    tracing::warn!(
                        user = %id, cause = %error,
                        "a changed user could not be fetched again from the UserStore"
                    );
                    return Ok(self.without_session());
                }
                self.take_back().await?;
                Err(error)
            }
        }
    }

    /// Writes to our tables. Once the password is set in the custom store, the rest is written even
    /// if a condition is no longer met, and all sessions end.
    async fn apply_rest(&self) -> Result<Applied, StoreError> {
        let (id, writes) = (&self.before.id, &self.writes);
        if let Some(hash) = &self.hash {
            self.users.set_password(id, hash).await?;
        }
        let applied = self.ours.apply(id, &|_| Some(writes.clone())).await?;
        if self.hash.is_none() || !matches!(applied, Applied::Unmet(_)) {
            return Ok(applied);
        }
        let rest = AccountWrites {
            requires: Vec::new(),
            using: None,
            end: EndSessions::All,
            session: None,
            ..writes.clone()
        };
        match self.ours.apply(id, &|_| Some(rest.clone())).await? {
            Applied::Done(_) => Ok(self.without_session()),
            other => Ok(other),
        }
    }

    /// Returns the result for a transition whose session, if any, has ended.
    fn without_session(&self) -> Applied {
        let user = Box::new(self.writes.user.clone());
        match self.writes.session {
            Some(_) => Applied::SessionEnded(user),
            None => Applied::Done(user),
        }
    }

    /// Returns whether the transition inserts rows that would outlive the user.
    fn inserts(&self) -> bool {
        let AccountWrites { session, challenges, key, add, put, .. } = &self.writes;
        session.is_some()
            || !challenges.is_empty()
            || key.is_some()
            || add.is_some()
            || !put.is_empty()
    }

    /// Deletes the session whose tokens the client does not receive.
    async fn end_session(&self) -> Result<(), StoreError> {
        if let Some(SessionWrite::Insert(row, _) | SessionWrite::Renew { to: row, .. }) =
            &self.writes.session
        {
            self.ours.delete(row.session.id).await?;
        }
        Ok(())
    }

    /// Writes the user to the custom store.
    async fn update(&self, before: &User, after: &User) -> Result<UserWrite, StoreError> {
        if Field::changes(before, after).is_empty() {
            return Ok(UserWrite::Done);
        }
        Ok(match self.users.update(before, after).await? {
            UpdateOutcome::Updated => UserWrite::Done,
            UpdateOutcome::Conflict => UserWrite::Conflict,
            UpdateOutcome::NotFound => UserWrite::NotApplied(Applied::Unknown),
            UpdateOutcome::Taken => UserWrite::NotApplied(Applied::Taken),
            UpdateOutcome::UnsupportedField(field) => {
                UserWrite::NotApplied(Applied::Unsupported(field))
            }
        })
    }

    /// Deletes only the rows that the transition inserted: the custom store may return the user
    /// again at the next request.
    async fn take_back(&self) -> Result<(), StoreError> {
        let (ours, writes, id) = (&self.ours, &self.writes, &self.before.id);
        if let Some(SessionWrite::Insert(row, _)) = &writes.session {
            ours.delete(row.session.id).await?;
        }
        for challenge in &writes.challenges {
            ours.take_challenge(&challenge.id, None, challenge.created_at).await?;
        }
        if let Some(new) = &writes.key {
            ours.delete_key(new.key.id, Some(id)).await?;
        }
        for credential in writes.password.iter().chain(&writes.add).chain(&writes.put) {
            let remove = Remove::One {
                kind: credential.kind,
                id: credential.id.clone(),
                sign_in: Vec::new(),
            };
            let remove = AccountWrites { remove, ..AccountWrites::new(writes.user.clone()) };
            ours.apply(id, &|_| Some(remove.clone())).await?;
        }
        Ok(())
    }
}

/// Returns the password hash that a transition sets in a custom store that has passwords. It is the
/// hash of a new password, whose credential here has no hash, or of a random password if the
/// transition removes the former one.
pub(super) async fn split_password(
    ours: &Arc<dyn Store>,
    writes: &mut AccountWrites,
) -> Result<Option<String>, StoreError> {
    let is_password = |own: &&mut Credential| own.kind == CredentialKind::Password;
    let given = [writes.password.as_mut(), writes.add.as_mut()];
    if let Some(password) = given.into_iter().flatten().find(is_password) {
        return Ok(take_hash(password));
    }
    let Remove::AllBut { credentials, .. } = &writes.remove else { return Ok(None) };
    let kind = CredentialKind::Password;
    let own = ours.find_credential(kind, writes.user.id.as_str()).await?;
    let is_kept = own.is_some_and(|own| credentials.contains(&own.id));
    if is_kept { Ok(None) } else { unknown_password().map(Some) }
}

/// Removes the hash from a password credential, which then only records that a password exists.
pub(super) fn take_hash(password: &mut Credential) -> Option<String> {
    let data = std::mem::replace(&mut password.data, serde_json::json!({}));
    data.get("hash").and_then(|hash| hash.as_str()).map(str::to_owned)
}

/// Returns the Argon2id hash (PHC string) of a random password that is not disclosed.
fn unknown_password() -> Result<String, StoreError> {
    let salt = STANDARD_NO_PAD.encode(random::bytes::<16>().map_err(StoreError::new)?);
    let hash = STANDARD_NO_PAD.encode(random::bytes::<32>().map_err(StoreError::new)?);
    Ok(format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}"))
}
