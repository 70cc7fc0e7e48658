//! What a configuration can have wrong.

use crate::{network::InvalidNetwork, origin::InvalidOrigin};

/// The configuration cannot stand; said at build, never at a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No origin was given.
    #[error("give the public origin of the application: .origin(\"https://app.example.com\")")]
    NoOrigin,
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) was called outside a Tokio runtime.
    #[error(
        "build() was called outside a Tokio runtime, which the sweeper, the cache and the audit log need: call it in #[tokio::main] or in Runtime::block_on"
    )]
    NoRuntime,
    /// An origin cannot be used.
    #[error(transparent)]
    Origin(#[from] InvalidOrigin),
    /// A network of proxies cannot be read.
    #[error("trusted proxies: {0}")]
    Network(#[from] InvalidNetwork),
    /// A path cannot be used.
    #[error("{0:?} is no path to nest at: write it as \"/auth\"")]
    Mount(String),
    /// A place to go after a sign-in cannot be used.
    #[error(
        "{0:?} is no place to go: an origin, an exact address with a scheme, or for the error page a path"
    )]
    Redirect(String),
    /// No message could ever wait.
    #[error("the queue of messages holds at least one")]
    MailQueue,
    /// The interval of the sweeper is zero.
    #[error("sweep every second at most, or never")]
    Sweep,
    /// A session option cannot stand.
    #[error("session: {0}")]
    Session(&'static str),
    /// An option of a flow cannot stand.
    #[error("{flow}: {problem}")]
    Flow {
        /// Which flow.
        flow: String,
        /// What is wrong and what would be right.
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
    /// Creates the error of a flow, for an option that cannot be used. `problem` says what would be
    /// right.
    pub fn flow(flow: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Flow { flow: flow.into(), problem: problem.into() }
    }
}
