//! Transitions of users in a custom store: the user, and the password if the store has it, are
//! written there, everything else here.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::ports::{Update, UserStore};
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
    pub(super) users: Arc<dyn UserStore>,
    pub(super) ours: Arc<dyn Store>,
    pub(super) before: User,
    /// What is written, without a password that goes to the custom store.
    pub(super) writes: AccountWrites,
    /// The hash of the password that the custom store is given.
    pub(super) hash: Option<String>,
}

impl Write {
    /// Writes everything or nothing, as far as two stores allow it. Returns `None` if another
    /// write of the user was faster.
    ///
    /// The conditions are checked before anything is written. A password is set before sessions
    /// end, so that a sign-in with the former password in between does not leave a session. Once it
    /// is set, a condition that is not met any more changes only which sessions end: all of them, the
    /// one of the transition included.
    pub(super) async fn run(self) -> Result<Option<Applied>, StoreError> {
        let Self { ours, before, writes, hash, .. } = &self;
        let id = &before.id;
        if hash.is_some() || !Field::changes(before, &writes.user).is_empty() {
            // With the user as before: one who is disabled would lose the sessions at once.
            let check = AccountWrites { user: before.clone(), ..writes.conditions() };
            match ours.apply(id, &|_| Some(check.clone())).await? {
                Applied::Done(_) => {}
                unmet => return Ok(Some(unmet)),
            }
        }
        match self.update(before, &writes.user).await? {
            None => return Ok(None),
            Some(Err(rejected)) => return Ok(Some(rejected)),
            Some(Ok(())) => {}
        }
        let applied = self.apply_rest().await;
        if !matches!(applied, Ok(Applied::Done(_) | Applied::SessionEnded(_))) {
            let restored = self.update(&writes.user, before).await;
            if !matches!(restored, Ok(Some(Ok(())))) {
                tracing::error!(user = %id, ?restored, "a user could not be restored");
            }
            return applied.map(Some);
        }
        self.confirm(applied?).await.map(Some)
    }

    /// Fetches the user once more after a transition was applied. A session does not begin, and
    /// gets no new tokens, if the user has been disabled or if the store does not answer.
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
                    // The caller reports the change to the user.
                    tracing::warn!(user = %id, cause = %error, "a user was not found again");
                    return Ok(self.without_session());
                }
                self.take_back().await?;
                Err(error)
            }
        }
    }

    /// Writes what is stored here. Once a password is set there, the rest is written even if a
    /// condition is no longer met, and all sessions end.
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

    /// The result if the session of the transition, where it has one, has ended.
    fn without_session(&self) -> Applied {
        let user = Box::new(self.writes.user.clone());
        match self.writes.session {
            Some(_) => Applied::SessionEnded(user),
            None => Applied::Done(user),
        }
    }

    /// Whether the transition inserts anything that would outlive its user.
    fn inserts(&self) -> bool {
        let AccountWrites { session, challenges, key, add, .. } = &self.writes;
        session.is_some() || !challenges.is_empty() || key.is_some() || add.is_some()
    }

    /// Ends the session whose tokens the client is not given.
    async fn end_session(&self) -> Result<(), StoreError> {
        if let Some(SessionWrite::Insert(row, _) | SessionWrite::Renew { to: row, .. }) =
            &self.writes.session
        {
            self.ours.delete(row.session.id).await?;
        }
        Ok(())
    }

    /// Writes the user in the custom store. Returns `None` if another write was faster.
    async fn update(
        &self,
        before: &User,
        after: &User,
    ) -> Result<Option<Result<(), Applied>>, StoreError> {
        if Field::changes(before, after).is_empty() {
            return Ok(Some(Ok(())));
        }
        Ok(match self.users.update(before, after).await? {
            Update::Done => Some(Ok(())),
            Update::Unknown => Some(Err(Applied::Unknown)),
            Update::Taken => Some(Err(Applied::Taken)),
            Update::NotKept(field) => Some(Err(Applied::Unsupported(field))),
            Update::Stale => None,
        })
    }

    /// Deletes what the transition inserted here, and nothing else: the custom store may know the
    /// user again in a moment.
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
        for credential in writes.password.iter().chain(&writes.add) {
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

/// The password that a transition gives to a custom store that has passwords: a new one, which
/// leaves a credential without a hash here, or one that nobody knows if the transition removes the
/// former one.
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

/// Takes the hash out of a password credential, which then only records that there is a password.
pub(super) fn take_hash(password: &mut Credential) -> Option<String> {
    let data = std::mem::replace(&mut password.data, serde_json::json!({}));
    data.get("hash").and_then(|hash| hash.as_str()).map(str::to_owned)
}

/// The hash of a password that nobody knows, in the form of Argon2id (PHC).
fn unknown_password() -> Result<String, StoreError> {
    let salt = STANDARD_NO_PAD.encode(random::bytes::<16>().map_err(StoreError::new)?);
    let hash = STANDARD_NO_PAD.encode(random::bytes::<32>().map_err(StoreError::new)?);
    Ok(format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}"))
}
