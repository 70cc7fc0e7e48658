//! Errors of the configuration.

use crate::{network::InvalidNetwork, origin::InvalidOrigin};

/// An error of the configuration, returned at build time and never by a request.
///
/// ```
/// use authlayer::ConfigError;
///
/// let error = ConfigError::flow("sms", "code_length must be between 4 and 10");
/// assert_eq!(error.to_string(), "sms: code_length must be between 4 and 10");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No origin was configured.
    #[error("no origin is configured: add .origin(\"https://app.example.com\")")]
    NoOrigin,
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) was called outside a Tokio runtime.
    #[error(
        "build() was called outside a Tokio runtime, which the sweeper, the cache and the audit log need: call it in #[tokio::main] or in Runtime::block_on"
    )]
    NoRuntime,
    /// An origin is invalid.
    #[error(transparent)]
    Origin(#[from] InvalidOrigin),
    /// A network of trusted proxies is invalid.
    #[error("trusted proxies: {0}")]
    Network(#[from] InvalidNetwork),
    /// The header of the trusted proxies is invalid, or no proxy is trusted.
    #[error("client_ip_header {name:?}: {problem}")]
    ClientIpHeader {
        /// The configured name.
        name: String,
        /// The reason.
        problem: &'static str,
    },
    /// A mount path is invalid.
    #[error("mount path {0:?} is invalid: expected a path such as \"/auth\"")]
    Mount(String),
    /// A redirect target or the error page is invalid.
    #[error(
        "invalid redirect target {0:?}: expected an origin or an exact URL with a scheme; the error page is a path, or a URL of an origin that is allowed"
    )]
    Redirect(String),
    /// The capacity of the mail queue is zero.
    #[error("the capacity of the mail queue must be at least 1")]
    MailQueue,
    /// The list of sealing keys is empty or names a key twice.
    #[error("sealing_keys: {0}; expected different keys, the newest first")]
    SealingKeys(&'static str),
    /// The interval of the cleanup is zero.
    #[error("the cleanup interval must be at least 1 second, or None to disable cleanup")]
    Sweep,
    /// A session option is invalid.
    #[error("session: {0}")]
    Session(&'static str),
    /// The storage of users does not match the store.
    #[error("users: {0}")]
    UserStorage(&'static str),
    /// An option of a flow is invalid.
    #[error("{flow}: {problem}")]
    Flow {
        /// The name of the flow.
        flow: String,
        /// The invalid option and the expected form.
        problem: String,
    },
    /// Two flows register the same name.
    #[error("`{name}` is registered by the flows `{first}` and `{second}`")]
    Duplicate {
        /// The name of a flow, a path, or something that a flow registers.
        name: String,
        /// The flow that registered it first.
        first: String,
        /// The flow that registers it again.
        second: String,
    },
}

impl ConfigError {
    /// Creates the error of an option of a flow. `problem` names the option and the expected form.
    pub fn flow(flow: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Flow { flow: flow.into(), problem: problem.into() }
    }
}
