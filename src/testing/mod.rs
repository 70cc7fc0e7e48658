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
pub use client::{TestClient, TestResponse};
pub use clock::ManualClock;
#[cfg(feature = "oauth")]
pub use github::FakeGitHub;
#[cfg(feature = "oauth")]
pub use idp::{FakeIdp, Fault};
pub use mailbox::Mailbox;
#[cfg(feature = "passkeys")]
pub use passkey::{PasskeyFault, VirtualAuthenticator};
pub use store_suite::{
    ConformanceTest, UserConformanceTest, store_conformance_tests, user_store_tests,
};
pub use watch::EventRecorder;
