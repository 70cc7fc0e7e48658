//! What sign-in by GitHub and by OpenID Connect have in common.
//!
//! | route | answer |
//! |---|---|
//! | `GET /oauth/{provider}/start` | 303 to the provider |
//! | `GET /oauth/{provider}/callback` | 303 into the application, signed in |
//! | `POST /oauth/{provider}/link` | where to go to link an identity; wants a fresh session |
//! | `POST /oauth/{provider}/step-up` | where to go to prove once more who one is, for OpenID providers |
//! | `POST /oauth/{provider}/backchannel-logout` | the provider ends sessions that came from it |
//! | `GET /oauth/{provider}/signed-out` | where the provider leads back to after a sign-out |
//! | `POST /oauth/exchange` | tokens for the one-time code of a native application |
//! | `GET /identities`, `DELETE /identities/{id}` | by what one can sign in |
//!
//! Of a request to a provider the store keeps a row of hashes. State, nonce and PKCE
//! verifier are computed from two secrets that travel apart: one goes through the provider as
//! `state`, the other stays in a cookie of the browser. Whoever lacks either finishes nothing
//! and uses nothing up; who has both takes the row away before anything is asked of the
//! provider, so that a callback counts once (RFC 9700 §2.1, §4.7).
//!
//! Addresses at a provider make no identity. A stranger with a proved address gets an
//! account of their own, or `account_exists` where the address has one, unless
//! `link_verified_email` is on: then an account whose address is proved too is linked, and
//! one whose address never was is handed over with nothing of what was there.

mod ceremony;
mod logout;
mod on_session;
mod routes;
mod service;

use std::sync::Arc;

pub use ceremony::Started;
pub use service::{Callback, Landing, OAuthService, Start};

use crate::{
    config::ConfigError,
    outbound::HttpClient,
    provider::{Provider, Rules},
    registry::Registry,
};

/// The knobs that every provider has.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    pub(crate) rules: Rules,
    pub(crate) client: Option<Arc<dyn HttpClient>>,
}

impl Default for Knobs {
    fn default() -> Self {
        let rules = Rules { sign_in: true, sign_up: true, match_email: false };
        Self { rules, client: None }
    }
}

/// Defines the methods for the knobs that every provider has.
macro_rules! knobs {
    () => {
        /// Sets whether an identity that is not known yet gets an account; on by default. With
        /// `false` a sign-in by it is `sign_up_disabled`.
        pub fn sign_up(mut self, on: bool) -> Self {
            self.knobs.rules.sign_up = on;
            self
        }

        /// Lets one link identities of this provider and not sign in by them alone.
        pub fn link_only(mut self) -> Self {
            self.knobs.rules.sign_in = false;
            self
        }

        /// Sets whether an identity is linked to the account that has its address, where the
        /// provider vouches for the address; off by default.
        ///
        /// # Security
        ///
        /// Whoever rules the provider can then enter any account by its address. An account
        /// whose own address was never proved is handed over empty: its password, identities
        /// and sessions go.
        pub fn link_verified_email(mut self, on: bool) -> Self {
            self.knobs.rules.match_email = on;
            self
        }

        /// Replaces what sends the requests to the provider.
        pub fn http_client(mut self, client: impl $crate::outbound::HttpClient) -> Self {
            self.knobs.client = Some(std::sync::Arc::new(client));
            self
        }
    };
}
pub(crate) use knobs;

/// Registers a provider and makes its service.
pub(crate) fn register(
    registry: &mut Registry,
    provider: Arc<dyn Provider>,
) -> Result<OAuthService, ConfigError> {
    let id = provider.id();
    let refused = |problem: &str| ConfigError::flow(id, problem);
    let well_formed = (1..=32).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !well_formed || id == "exchange" {
        return Err(refused("an id is 1 to 32 of a-z, 0-9 and -, and not \"exchange\""));
    }
    let core = registry.core();
    if !core.providers.add(Arc::clone(&provider)) {
        return Err(refused("two providers have one id, or one issuer"));
    }
    let service = OAuthService::new(core, provider);
    routes::register(registry, &service);
    Ok(service)
}

/// Writes the domain of an address in ASCII (UTS #46), as addresses are stored here. An address
/// for which that is impossible stays as it is, and counts as none.
pub(crate) fn ascii_domain(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@').filter(|_| !address.is_ascii()) else {
        return address.to_owned();
    };
    match idna::domain_to_ascii(domain) {
        Ok(domain) => format!("{local}@{domain}"),
        Err(_) => address.to_owned(),
    }
}
