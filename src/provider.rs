//! The port to identity providers, and the responses they return.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    error::{AuthError, ErrorKind},
    model::IdpSession,
};

/// An identity provider.
#[async_trait]
pub(crate) trait Provider: Send + Sync + 'static {
    /// Returns the name in paths and in the configuration.
    fn id(&self) -> &str;

    /// Returns the issuer of the subjects, which is compared exactly.
    fn issuer(&self) -> &str;

    /// Returns the rules for sign-ins with this provider.
    fn rules(&self) -> &Rules;

    /// Returns whether a step-up can verify when the user authenticated at the provider
    /// (`auth_time`).
    fn proves_time(&self) -> bool {
        false
    }

    /// Returns whether every sign-in verifies that time.
    fn sets_max_age(&self) -> bool {
        false
    }

    /// Returns the URL to which the browser is redirected.
    async fn authorization_url(&self, request: &Request) -> Result<String, AuthError>;

    /// Checks the `iss` parameter of an authorization response (RFC 9207 §2.4).
    async fn check_issuer(&self, iss: Option<&str>) -> Result<(), AuthError>;

    /// Exchanges an authorization code for the profile of the user.
    async fn redeem(&self, code: &str, request: &Request) -> Result<Profile, AuthError>;

    /// Returns the URL that ends the session at the provider (RP-Initiated Logout 1.0 §2), or
    /// `None` if the provider has none.
    async fn end_session_url(&self, hint: Option<&str>) -> Result<Option<String>, AuthError>;

    /// Verifies a logout token (Back-Channel Logout 1.0 §2.6). Returns `None` if the provider does
    /// not support back-channel logout.
    async fn read_logout(&self, token: &str) -> Result<Option<Ended>, AuthError>;
}

/// Rules for sign-ins with a provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether identities can sign in. If not, they can only be linked.
    pub(crate) sign_in: bool,
    /// Whether a sign-in with an unknown identity creates a user.
    pub(crate) sign_up: bool,
    /// Whether an identity is linked automatically to the user with the same email address, if it
    /// is verified on both sides.
    pub(crate) match_email: bool,
}

/// The secrets of one authorization request, derived again from the cookie of the browser.
pub(crate) struct Request {
    pub(crate) redirect_uri: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) nonce: Zeroizing<String>,
    /// The code verifier of PKCE (RFC 7636).
    pub(crate) verifier: Zeroizing<String>,
    /// The start of a step-up, after which the user has to authenticate again at the provider.
    pub(crate) step_up: Option<Timestamp>,
}

/// The profile of a user at a provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    /// The reason why this profile cannot create a user, if any. A linked identity can sign in
    /// nevertheless.
    pub(crate) newcomer: Option<ErrorKind>,
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) locale: Option<String>,
    /// The time at which the user authenticated at the provider, if it was requested and verified.
    pub(crate) proved_at: Option<Timestamp>,
    /// Whether the provider verified several factors, and the flow trusts it.
    pub(crate) is_multi_factor: bool,
    /// The id of the session at the provider.
    pub(crate) session: Option<String>,
    /// The ID token, if it is retained.
    pub(crate) id_token: Option<Zeroizing<String>>,
}

/// A verified logout token: the subject or the session that the provider has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) expires_at: Timestamp,
}

impl Profile {
    pub(crate) fn upstream(&self, provider: &dyn Provider) -> IdpSession {
        IdpSession {
            provider: provider.id().to_owned(),
            subject: self.subject.clone(),
            session: self.session.clone(),
        }
    }
}

/// The providers of an application.
#[derive(Default)]
pub(crate) struct Providers(Mutex<Vec<Arc<dyn Provider>>>);

impl Providers {
    /// Adds a provider, and returns `false` if its id or its issuer is already in use.
    pub(crate) fn add(&self, provider: Arc<dyn Provider>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |own: &Arc<dyn Provider>| {
            own.id() == provider.id() || own.issuer() == provider.issuer()
        };
        if all.iter().any(same) {
            return false;
        }
        all.push(provider);
        true
    }

    /// Returns whether every sign-in with a provider verifies when the user authenticated there.
    pub(crate) fn sets_max_age(&self, id: &str) -> bool {
        self.find(id).is_some_and(|provider| provider.sets_max_age())
    }

    /// Returns all providers in the order of their registration.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Provider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<dyn Provider>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|own| own.id() == id).cloned()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Providers")
    }
}
