//! The stored data about one person, for a request of that person.

use serde_json::{Map, Value, json};

use super::Users;
use crate::{
    error::{AuthError, ErrorKind},
    model::{ApiKey, Session, User, UserId},
    store::{Challenge, ChallengeKind, Credential, CredentialKind, EventQuery},
};

/// The number of events in a query.
const BATCH: u32 = 1000;
/// The members of the data of credentials that are no secrets. All others are omitted.
const CREDENTIAL_MEMBERS: &[&str] = &[
    "aaguid",
    "avatar_url",
    "backed_up",
    "backup_eligible",
    "display_name",
    "email",
    "email_verified",
    "issuer",
    "name",
    "provider",
    "second_factor",
    "subject",
    "transports",
    "username",
];
const DEVICE_MEMBERS: &[&str] = &["ip", "user_agent", "last_used_at"];

impl Users {
    /// Returns the data that are stored about a user as JSON: `user`, `credentials`, `sessions`,
    /// `identities`, `api_keys`, `devices` and `events`. Use it to respond to a request for access
    /// or portability (GDPR articles 15 and 20).
    ///
    /// The result has no secrets: neither password hashes, keys and codes of second factors, nor
    /// hashes of tokens. Of credentials of a flow outside this crate it has only the kind and the
    /// times. Data in tables of the application are not included, except for the mapped user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::Unavailable`] if the store
    /// fails.
    ///
    /// # Security
    ///
    /// The result is personal data, with `app_metadata` and the clients of events. Return it
    /// only to that person, after recent authentication.
    pub async fn disclose(&self, id: &UserId) -> Result<Value, AuthError> {
        let user = self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let credentials = self.store.list_credentials(id).await?;
        let is_identity = |own: &&Credential| own.kind == CredentialKind::Identity;
        let (identities, credentials): (Vec<_>, Vec<_>) = credentials.iter().partition(is_identity);
        let keys = self.store.list_keys(Some(id)).await?;
        let devices = self.store.list_challenges(id, ChallengeKind::TrustedDevice).await?;
        Ok(json!({
            "user": user_view(&user),
            "credentials": Vec::from_iter(credentials.into_iter().map(credential_view)),
            "identities": Vec::from_iter(identities.into_iter().map(credential_view)),
            "sessions": self.sessions_of(id).await?,
            "api_keys": Vec::from_iter(keys.iter().map(ApiKey::to_json)),
            "devices": Vec::from_iter(devices.iter().map(device_view)),
            "events": self.events_of(id).await?,
        }))
    }

    async fn sessions_of(&self, id: &UserId) -> Result<Vec<Value>, AuthError> {
        let now = self.clock.now();
        let (mut page, mut all) = (self.store.list(id, now).await?, Vec::new());
        while let Some(last) = page.last() {
            all.extend(page.iter().map(session_view));
            page = self.store.list_after(last, now).await?;
        }
        Ok(all)
    }

    async fn events_of(&self, id: &UserId) -> Result<Vec<Value>, AuthError> {
        let mut query = EventQuery { user: Some(id.clone()), ..EventQuery::default() };
        let mut all = Vec::new();
        loop {
            let page = self.store.list_events(&query, BATCH).await?;
            let Some(last) = page.last() else { return Ok(all) };
            query.before = Some(last.id.clone());
            all.extend(page.into_iter().map(|stored| stored.event.into_user_view()));
        }
    }
}

fn user_view(user: &User) -> Value {
    let mut view = json!(user);
    if let Value::Object(view) = &mut view {
        let others = [
            ("email_verified_at", json!(user.email_verified_at)),
            ("phone", json!(user.phone)),
            ("phone_verified_at", json!(user.phone_verified_at)),
            ("app_metadata", json!(user.app_metadata)),
            ("extra", json!(user.extra)),
        ];
        view.extend(others.map(|(name, value)| (name.to_owned(), value)));
    }
    view
}

fn credential_view(own: &Credential) -> Value {
    // The data of a flow outside this crate may be secret as a whole.
    let is_known = !matches!(own.kind, CredentialKind::Custom(_) | CredentialKind::Other);
    let mut view = if is_known { members(&own.data, CREDENTIAL_MEMBERS) } else { Map::new() };
    if own.kind == CredentialKind::RecoveryCodes {
        let left = own.data.get("hashes").and_then(Value::as_array).map(Vec::len);
        view.insert("left".to_owned(), json!(left));
    }
    let others = [
        ("id", json!(own.id)),
        ("kind", json!(own.kind.as_str())),
        ("created_at", json!(own.created_at)),
        ("updated_at", json!(own.updated_at)),
        ("last_used_at", json!(own.last_used_at)),
    ];
    view.extend(others.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(view)
}

fn session_view(session: &Session) -> Value {
    let factors = session.factors.iter().map(|own| json!({ "method": own.method, "at": own.at }));
    json!({
        "id": session.id,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "refresh_expires_at": session.refresh_expires_at,
        "factors": Vec::from_iter(factors),
        "ip": session.client.ip,
        "user_agent": session.client.user_agent,
        "transport": session.transport,
        "persistent": session.is_persistent,
        "upstream": session.upstream,
    })
}

fn device_view(device: &Challenge) -> Value {
    let mut view = members(&device.data, DEVICE_MEMBERS);
    view.insert("created_at".to_owned(), json!(device.created_at));
    view.insert("expires_at".to_owned(), json!(device.expires_at));
    Value::Object(view)
}

/// Returns the members of `data` that have these names.
fn members(data: &Value, names: &[&str]) -> Map<String, Value> {
    let own = names.iter().filter_map(|name| Some(((*name).to_owned(), data.get(name)?.clone())));
    own.collect()
}
