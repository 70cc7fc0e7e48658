//! The parameters of a sign-in with a provider, and the result of its callback.

use std::fmt;

use crate::{crypto::token::TokenString, model::Transport, services::Outcome};

/// The options of a sign-in with a provider.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StartOptions {
    /// The redirect target after the sign-in; `/` by default.
    pub redirect_to: Option<String>,
    /// The transport of the session's tokens.
    pub transport: Option<Transport>,
    /// Whether the session outlives the browser session; `true` by default.
    pub persistent: Option<bool>,
    /// The code challenge of a native application: the S256 hash of its code verifier (RFC 7636
    /// §4.2).
    pub code_challenge: Option<String>,
    /// The email address or username that the provider asks for first (OpenID Connect Core
    /// §3.1.2.1), if the flow allows it. It is ignored beyond 320 bytes.
    pub login_hint: Option<String>,
    /// Values of `prompt`; those that the flow allows are sent.
    pub prompts: Vec<String>,
    /// Further scopes; those that the flow allows are sent.
    pub scopes: Vec<String>,
}

/// The parameters of a provider's callback.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct CallbackParams<'a> {
    /// The authorization code.
    pub code: Option<&'a str>,
    /// The state of the request.
    pub state: Option<&'a str>,
    /// The issuer of the response (RFC 9207).
    pub iss: Option<&'a str>,
    /// The error code.
    pub error: Option<&'a str>,
    /// The secret in the cookie of this browser.
    pub secret: Option<&'a str>,
}

/// The code, the state and the secret are not printed.
impl fmt::Debug for CallbackParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackParams")
            .field("iss", &self.iss)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// The result of a callback.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallbackOutcome {
    /// The sign-in, link or step-up is complete in this browser.
    Browser {
        /// The session, or the verification that is still required.
        outcome: Outcome,
        /// The redirect target.
        redirect_to: String,
    },
    /// A native application gets its tokens with a one-time code.
    Native {
        /// The one-time code.
        code: TokenString,
        /// The redirect target.
        redirect_to: String,
    },
}
