//! Identities: who a user is at a provider.
//!
//! An identity is a credential, found by issuer and subject and by nothing else: an address
//! or a name at a provider may change hands, a subject does not (OpenID Connect Core §5.7).

mod link;
mod sign_in;
mod sign_out;

use serde::{Deserialize, Serialize};

use crate::{
    crypto::digest::{Digest, Domain},
    model::{SessionId, User},
    provider::{Profile, Provider},
    store::Credential,
};

/// The snapshot that an identity keeps: what the provider said last.
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
    fn new(provider: &dyn Provider, profile: &Profile) -> Self {
        Self {
            provider: provider.id().to_owned(),
            issuer: provider.issuer().to_owned(),
            subject: profile.subject.clone(),
            email: profile.email.clone(),
            email_verified: profile.email_verified,
            username: profile.username.clone(),
            display_name: profile.display_name.clone(),
            avatar_url: profile.avatar_url.clone(),
        }
    }
}

/// The key of an identity. No issuer holds a line break, so no two pairs share one.
fn lookup(provider: &dyn Provider, profile: &Profile) -> String {
    format!("{}\n{}", provider.issuer(), profile.subject)
}

/// Who was found or made for a profile.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: User,
    pub(crate) identity: Credential,
}

/// The challenge in which the hint for the sign-out of a session lies.
pub(crate) fn hint_key(session: SessionId) -> Digest {
    Digest::hash(Domain::LOGOUT_HINT, session.as_bytes())
}
