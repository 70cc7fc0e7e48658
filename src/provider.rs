//! Sign-in elsewhere: what a provider is asked, and what it answers.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    error::{AuthError, ErrorKind},
    model::Upstream,
};

/// Where somebody signs in elsewhere.
#[async_trait]
pub(crate) trait Provider: Send + Sync + 'static {
    /// Its name in paths and in the configuration.
    fn id(&self) -> &str;

    /// Who issues the subjects; exact.
    fn issuer(&self) -> &str;

    /// What a sign-in by it may do here.
    fn rules(&self) -> &Rules;

    /// Whether a step-up can prove when the user authenticated there (`auth_time`).
    fn proves_time(&self) -> bool {
        false
    }

    /// Whether every sign-in proves that time.
    fn sets_max_age(&self) -> bool {
        false
    }

    /// Where the browser goes, for a request.
    async fn authorization_url(&self, request: &Request) -> Result<String, AuthError>;

    /// Checks the `iss` of an answer (RFC 9207 §2.4).
    async fn check_issuer(&self, iss: Option<&str>) -> Result<(), AuthError>;

    /// Who a code stands for.
    async fn redeem(&self, code: &str, request: &Request) -> Result<Profile, AuthError>;

    /// Where a browser goes to end its session there too (RP-Initiated Logout 1.0 §2).
    async fn end_session_url(&self, hint: Option<&str>) -> Result<Option<String>, AuthError>;

    /// Reads a logout token (Back-Channel Logout 1.0 §2.6); `None` where there is none of this.
    async fn read_logout(&self, token: &str) -> Result<Option<Ended>, AuthError>;
}

/// What a sign-in by a provider may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether one may sign in, rather than link alone.
    pub(crate) sign_in: bool,
    /// Whether somebody new gets an account.
    pub(crate) sign_up: bool,
    /// Whether an address that both sides have proved links by itself.
    pub(crate) match_email: bool,
}

/// The secrets of one authorization request; recomputed from what the browser holds.
pub(crate) struct Request {
    pub(crate) redirect_uri: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) nonce: Zeroizing<String>,
    /// PKCE (RFC 7636).
    pub(crate) verifier: Zeroizing<String>,
    /// When a step-up began, for which the user has to authenticate there anew.
    pub(crate) step_up: Option<Timestamp>,
}

/// What a provider says of somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    /// Why no account is made of this profile, if not: a known identity signs in all the same.
    pub(crate) newcomer: Option<ErrorKind>,
    pub(crate) username: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) locale: Option<String>,
    /// When the user authenticated there, where that was asked for and checked.
    pub(crate) proved_at: Option<Timestamp>,
    /// The session there.
    pub(crate) session: Option<String>,
    /// Kept only where it was asked for.
    pub(crate) id_token: Option<Zeroizing<String>>,
}

/// What a provider ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) expires_at: Timestamp,
}

impl Profile {
    pub(crate) fn upstream(&self, provider: &dyn Provider) -> Upstream {
        Upstream {
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
    /// Adds a provider, and returns `false` if its id or its issuer is taken.
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

    /// Whether the sign-ins of a provider prove when the user authenticated there.
    pub(crate) fn sets_max_age(&self, id: &str) -> bool {
        self.find(id).is_some_and(|provider| provider.sets_max_age())
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
