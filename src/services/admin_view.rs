//! Users as administrators see them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Account, Core, identity::Snapshot};
use crate::{
    error::{AuthError, ErrorKind},
    model::{User, UserId},
    store::{Credential, CredentialKind},
    users::Users,
};

impl Users {
    /// Returns a user in the form of `GET /admin/users/{id}`: the members of `GET /auth/session` with
    /// `app_metadata`, the sign-in methods as in `GET /auth/account`, `identities`, and `last_seen_at`.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, UserId};
    /// async fn has_password(auth: &Auth, id: &UserId) -> Result<bool, AuthError> {
    ///     Ok(auth.users().details(id).await?["has_password"] == true)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::Unavailable`].
    pub async fn details(&self, id: &UserId) -> Result<Value, AuthError> {
        let user = self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let mut views = self.configured()?.admin_views(vec![user]).await?;
        Ok(views.pop().unwrap_or_default())
    }
}

impl Core {
    /// Returns users in the form of the routes of administration: with the metadata that only the
    /// application can read, their sign-in methods, and the last use of a session or a credential.
    pub(crate) async fn admin_views(&self, users: Vec<User>) -> Result<Vec<Value>, AuthError> {
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        let mut credentials: HashMap<UserId, Vec<Credential>> = HashMap::new();
        for credential in self.credentials.list_credentials_of(&ids).await? {
            credentials.entry(credential.user_id.clone()).or_default().push(credential);
        }
        let seen = self.standings.last_seen(&ids).await?;
        let mut views = Vec::with_capacity(users.len());
        for user in users {
            let own = credentials.remove(&user.id).unwrap_or_default();
            let used = own.iter().filter_map(|own| own.last_used_at);
            let last_seen_at = used.chain(seen.get(&user.id).copied()).max();
            let identities: Vec<Value> = own.iter().filter_map(identity_view).collect();
            let account = Account::new(user, own);
            let facts = self.facts_of(&account).await?;
            let mut view = members(&json!(account.user()));
            view.insert("app_metadata".to_owned(), json!(account.user().app_metadata));
            view.extend(members(&json!(facts)));
            view.insert("identities".to_owned(), json!(identities));
            view.insert("last_seen_at".to_owned(), json!(last_seen_at));
            views.push(Value::Object(view));
        }
        Ok(views)
    }
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Returns an identity in the form of `GET /identities`; `None` for other credentials.
fn identity_view(credential: &Credential) -> Option<Value> {
    if credential.kind != CredentialKind::Identity {
        return None;
    }
    let snapshot: Snapshot = serde_json::from_value(credential.data.clone()).ok()?;
    Some(json!({
        "id": credential.id,
        "provider": snapshot.provider,
        "subject": snapshot.subject,
        "email": snapshot.email,
        "linked_at": credential.created_at,
    }))
}
