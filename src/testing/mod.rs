//! What tests of an application need: a clock to move, a mailbox to read, events to
//! count, a server with clients, and the suite that every store must pass.
//!
//! Feature `testing`; never turn it on in a release build. Everything here panics when a
//! test goes wrong.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
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
