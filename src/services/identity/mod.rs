//! Identities: accounts of users at providers.
//!
//! An identity is a credential that is looked up only by issuer and subject: an email address or a
//! name at a provider can be reassigned, a subject cannot (OpenID Connect Core §5.7).

mod alarm;
mod bar;
mod link;
mod sign_in;
mod sign_out;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::digest::{Digest, Domain},
    model::{SessionId, User},
    provider::{ProviderProfile, RegisteredProvider},
    store::Credential,
};

/// The profile that an identity stores: the last data from the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) provider: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
}

impl Snapshot {
    fn new(provider: &RegisteredProvider, profile: &ProviderProfile) -> Self {
        Self {
            provider: provider.id().to_owned(),
            issuer: issuer_of(provider, profile).to_owned(),
            subject: profile.subject.clone(),
            email: profile.email.clone(),
            email_verified: profile.email_verified,
            username: profile.username.clone(),
            display_name: profile.display_name.clone(),
            avatar_url: profile.avatar_url.clone(),
        }
    }
}

/// Returns the lookup key of an identity. No issuer contains a line break, so the key is unique.
fn lookup(provider: &RegisteredProvider, profile: &ProviderProfile) -> String {
    lookup_of(provider, profile.issuer.as_deref(), &profile.subject)
}

/// Returns the lookup key of a subject. The issuer is given if it is not that of the provider.
fn lookup_of(provider: &RegisteredProvider, issuer: Option<&str>, subject: &str) -> String {
    format!("{}\n{subject}", issuer.unwrap_or_else(|| provider.issuer()))
}

fn issuer_of<'a>(provider: &'a RegisteredProvider, profile: &'a ProviderProfile) -> &'a str {
    profile.issuer.as_deref().unwrap_or_else(|| provider.issuer())
}

/// The user and identity of a profile, existing or new.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: User,
    pub(crate) identity: Credential,
}

/// Returns the id of the challenge that stores the `id_token_hint` of a session.
pub(crate) fn hint_key(session: SessionId) -> Digest {
    Digest::hash(Domain::LOGOUT_HINT, session.as_bytes())
}
