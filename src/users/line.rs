//! The JSON line of a user with credentials, for export and import.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock::whole_millis,
    model::{Email, User, UserId, UserStatus},
    store::{Credential, CredentialKind},
};

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Line {
    pub(super) id: Option<UserId>,
    pub(super) email: Option<String>,
    email_verified_at: Option<Timestamp>,
    phone: Option<String>,
    phone_verified_at: Option<Timestamp>,
    username: Option<String>,
    display_name: Option<String>,
    avatar_url: Option<String>,
    tenant_id: Option<String>,
    is_anonymous: bool,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Map<String, Value>,
    status: UserStatus,
    user_metadata: Map<String, Value>,
    app_metadata: Map<String, Value>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    /// A short form of a password credential.
    #[serde(skip_serializing)]
    pub(super) password_hash: Option<String>,
    pub(super) credentials: Vec<LineCredential>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineCredential {
    pub(super) kind: String,
    lookup: String,
    data: Value,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    last_used_at: Option<Timestamp>,
}

impl LineCredential {
    /// Returns the credential, or `None` if its kind is unknown.
    pub(super) fn credential(&self, id: String, user: &UserId) -> Option<Credential> {
        let kind = CredentialKind::from_name(&self.kind)?;
        let lookup = match kind.is_one_per_user() {
            true => user.as_str().to_owned(),
            false => self.lookup.clone(),
        };
        Some(Credential {
            id,
            user_id: user.clone(),
            kind,
            lookup,
            data: self.data.clone(),
            created_at: whole_millis(self.created_at),
            updated_at: whole_millis(self.updated_at),
            last_used_at: self.last_used_at.map(whole_millis),
        })
    }
}

impl Line {
    pub(super) fn of(user: User, credentials: Vec<Credential>) -> Self {
        let credentials = credentials.into_iter().map(|own| LineCredential {
            kind: own.kind.as_str().to_owned(),
            lookup: own.lookup,
            data: own.data,
            created_at: own.created_at,
            updated_at: own.updated_at,
            last_used_at: own.last_used_at,
        });
        Self {
            id: Some(user.id),
            email: user.email.map(|email| email.to_string()),
            email_verified_at: user.email_verified_at,
            phone: user.phone,
            phone_verified_at: user.phone_verified_at,
            username: user.username,
            display_name: user.display_name,
            avatar_url: user.avatar_url,
            tenant_id: user.tenant_id,
            is_anonymous: user.is_anonymous,
            roles: user.roles,
            scopes: user.scopes,
            attributes: user.attributes,
            status: user.status,
            user_metadata: user.user_metadata,
            app_metadata: user.app_metadata,
            created_at: Some(user.created_at),
            updated_at: Some(user.updated_at),
            password_hash: None,
            credentials: credentials.collect(),
        }
    }

    pub(super) fn user(self, id: UserId, now: Timestamp) -> Result<User, String> {
        let email = self.email.as_deref().map(Email::parse).transpose();
        let email = email.map_err(|_| "invalid email address".to_owned())?;
        let created_at = self.created_at.map_or(now, whole_millis);
        Ok(User {
            email,
            email_verified_at: self.email_verified_at.map(whole_millis),
            phone: self.phone,
            phone_verified_at: self.phone_verified_at.map(whole_millis),
            username: self.username,
            display_name: self.display_name,
            avatar_url: self.avatar_url,
            tenant_id: self.tenant_id,
            is_anonymous: self.is_anonymous,
            roles: self.roles,
            scopes: self.scopes,
            attributes: self.attributes,
            status: self.status,
            user_metadata: self.user_metadata,
            app_metadata: self.app_metadata,
            updated_at: self.updated_at.map_or(now, whole_millis),
            ..User::new(id, created_at)
        })
    }
}
