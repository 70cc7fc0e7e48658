//! API keys, without HTTP.

use std::{sync::Arc, time::Duration};

use super::ApiKeys;
use crate::{
    clock::whole_millis,
    crypto::{random, token::TokenString},
    error::{AuthError, ErrorKind, after_commit},
    event::{EventKind, record_act},
    mail::{MessageKind, Occasion},
    model::{ApiKey, ApiKeyId, ClientInfo, KeyOwner, Session, User, UserId},
    services::{BearerTokens, ChangeNotices, Core},
    store::{AccountWrites, Applied, NewKey, Requirement, Unmet},
};

/// The number of characters of a key that lists show, including its prefix.
const HINT: usize = 10;

/// Creates, lists and revokes API keys.
///
/// ```
/// use authlayer::{AuthError, flow::api_keys::{ApiKeyService, NewApiKey}};
///
/// async fn create(keys: &ApiKeyService, new: NewApiKey) -> Result<String, AuthError> {
///     let (_, token) = keys.create(new).await?;
///     Ok(token.expose().to_owned())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ApiKeyService {
    pub(super) core: Arc<Core>,
    pub(super) options: ApiKeys,
    pub(super) tokens: BearerTokens,
}

/// The data of a new API key.
///
/// ```
/// use authlayer::{KeyOwner, flow::api_keys::NewApiKey};
/// let mut key = NewApiKey::new(KeyOwner::Service("backup".to_owned()), "nightly backup");
/// key.scopes.push("files:read".to_owned());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewApiKey {
    /// The owner: a user or a service.
    pub owner: KeyOwner,
    /// The name, chosen by the owner.
    pub name: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The lifetime. `None` is the maximum for a key of a user, and unlimited for a key of a
    /// service.
    pub lifetime: Option<Duration>,
}

impl NewApiKey {
    /// Creates the data of a key without scopes and with the default lifetime.
    ///
    /// ```
    /// use authlayer::{KeyOwner, UserId, flow::api_keys::NewApiKey};
    /// let key = NewApiKey::new(KeyOwner::User(UserId::new("42")), "laptop");
    /// assert!(key.scopes.is_empty());
    /// ```
    pub fn new(owner: KeyOwner, name: impl Into<String>) -> Self {
        Self { owner, name: name.into(), scopes: Vec::new(), lifetime: None }
    }
}

impl ApiKeyService {
    /// Creates a key. Its plain text is returned only once.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`] if the user does not exist.
    /// - [`ErrorKind::InvalidMembers`] with `members` if the user does not have a scope, or the
    ///   lifetime is too long; with none of them if the user has the maximum number of keys.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn create(&self, new: NewApiKey) -> Result<(ApiKey, TokenString), AuthError> {
        self.create_within(new, None, &ClientInfo::default()).await
    }

    /// Like [`create`](Self::create), on a session that must still exist when the key is written.
    pub(super) async fn create_within(
        &self,
        new: NewApiKey,
        session: Option<&Session>,
        client: &ClientInfo,
    ) -> Result<(ApiKey, TokenString), AuthError> {
        let core = &self.core;
        let invalid = |detail| AuthError::new(ErrorKind::InvalidMembers).with_detail(detail);
        let too_long = || {
            invalid("The lifetime of the key exceeds the maximum")
                .with_extension("members", vec!["expires_in"])
        };
        let mut lifetime = new.lifetime;
        let mut user = None;
        if let KeyOwner::User(id) = &new.owner {
            let longest = self.options.longest;
            if lifetime.is_some_and(|life| life > longest) {
                return Err(too_long());
            }
            lifetime = lifetime.or(Some(longest));
            let owner = core.users.find_user(id).await?.ok_or(ErrorKind::NotFound)?;
            if !new.scopes.iter().all(|scope| owner.has_scope(scope)) {
                return Err(invalid("The user does not have all scopes of the key")
                    .with_extension("members", vec!["scopes"]));
            }
            user = Some(owner);
        }
        let (plain, hash) = self.tokens.generate_digest()?;
        let now = whole_millis(core.clock.now());
        let end = lifetime.map(|life| now.checked_add(life)).transpose();
        let key = ApiKey {
            id: ApiKeyId::from_bytes(random::bytes()?),
            owner: new.owner,
            name: new.name,
            hint: plain.expose().chars().take(HINT).collect(),
            scopes: new.scopes,
            created_at: now,
            expires_at: end.map_err(|_| too_long())?,
            last_used_at: None,
        };
        let new = NewKey { key: key.clone(), hash, at_most: self.options.most };
        let about = Occasion::of(client).what(key.name.as_str());
        let notice = user.as_ref().map(|user| core.notice(user, MessageKind::ApiKeyCreated, about));
        match &user {
            None => drop(core.keys.insert_key(&key, &new.hash).await?),
            Some(user) => {
                let mails = notice.iter().flat_map(ChangeNotices::rows).collect::<Vec<_>>();
                let write = |own: &User| {
                    own.is_active().then(|| AccountWrites {
                        requires: session.iter().map(|own| Requirement::session(own)).collect(),
                        key: Some(new.clone()),
                        mails: mails.clone(),
                        ..AccountWrites::new(own.clone())
                    })
                };
                match core.users.apply(&user.id, &write).await? {
                    Applied::Done(_) => {}
                    Applied::Unmet(Unmet::Limit) => {
                        let detail = "The maximum number of keys is reached; revoke a key first";
                        let none: Vec<String> = Vec::new();
                        return Err(invalid(detail).with_extension("members", none));
                    }
                    Applied::Unmet(Unmet::Session) => return Err(ErrorKind::InvalidToken.into()),
                    _ => return Err(ErrorKind::NotFound.into()),
                }
            }
        }
        let event = core.event(EventKind::ApiKeyCreated);
        match &user {
            Some(user) => match session {
                Some(_) => core.events.record(event.user(&user.id).client(client)),
                None => record_act(&*core.events, event.user(&user.id), None),
            },
            None => record_act(&*core.events, event, None),
        }
        if let Some(notice) = notice {
            notice.send();
        }
        Ok((key, plain))
    }

    /// Returns the keys of a user, or for `None` those of services.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn list(&self, user: Option<&UserId>) -> Result<Vec<ApiKey>, AuthError> {
        Ok(self.core.keys.list_keys(user).await?)
    }

    /// Revokes a key, if `user` is `None` or its owner.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such key; [`ErrorKind::Unavailable`] if the store
    /// fails.
    pub async fn revoke(&self, id: ApiKeyId, user: Option<&UserId>) -> Result<(), AuthError> {
        self.revoke_for(id, user, None).await
    }

    /// Like [`revoke`](Self::revoke), on the request of the user with this client.
    pub(super) async fn revoke_for(
        &self,
        id: ApiKeyId,
        user: Option<&UserId>,
        client: Option<&ClientInfo>,
    ) -> Result<(), AuthError> {
        let own = self.core.keys.list_keys(user).await?.into_iter().find(|own| own.id == id);
        if !self.core.keys.delete_key(id, user).await? {
            return Err(ErrorKind::NotFound.into());
        }
        let event = self.core.event(EventKind::ApiKeyRevoked);
        let Some(user) = user else {
            record_act(&*self.core.events, event, None);
            return Ok(());
        };
        match client {
            Some(client) => self.core.events.record(event.user(user).client(client)),
            None => record_act(&*self.core.events, event.user(user), None),
        }
        let found = after_commit(
            "the security email about a revoked API key is not sent",
            self.core.users.find_user(user),
        );
        if let (Some(key), Some(Some(user))) = (own, found.await) {
            let about = client.map_or_else(Occasion::default, Occasion::of).what(key.name);
            self.core.notify(&user, MessageKind::ApiKeyRevoked, about);
        }
        Ok(())
    }
}
