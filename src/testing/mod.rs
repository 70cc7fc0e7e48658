//! Test utilities: a clock, a mailbox, an event sink, a server with clients, fake providers, and
//! the suites for stores.
//!
//! Requires the feature `testing`, which must not be enabled in a release build. The functions
//! panic on failures.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test should stop"
)]

mod app;
mod client;
mod clock;
#[cfg(feature = "oauth")]
mod github;
#[cfg(feature = "oauth")]
mod idp;
mod mailbox;
#[cfg(feature = "passkeys")]
mod passkey;
mod store_suite;
mod watch;

pub use app::TestApp;
pub use client::{Answer, Client};
pub use clock::ManualClock;
#[cfg(feature = "oauth")]
pub use github::FakeGitHub;
#[cfg(feature = "oauth")]
pub use idp::{FakeIdp, Fault};
pub use mailbox::Mailbox;
#[cfg(feature = "passkeys")]
pub use passkey::{PasskeyFault, SoftPasskey};
pub use store_suite::{StoreRule, UserStoreRule, store_rules, user_store_suite};
pub use watch::Watch;
