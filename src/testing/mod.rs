//! Test utilities: a clock, a mailbox, an event sink, sessions without a flow, clients of a
//! router or a server, fake providers, a store that fails on demand, and the
//! suites for stores.
//!
//! ```
//! # async fn doc(store: authlayer::SqliteStore) -> Result<(), Box<dyn std::error::Error>> {
//! use authlayer::{Auth, AuthUser, RequireUser, testing::{self, ManualClock, TestClient}};
//! use axum::{Json, Router, routing::get};
//!
//! let auth = Auth::builder(store)
//!     .origin("http://localhost:3000")
//!     .clock(ManualClock::at("2026-01-01T00:00:00Z"))
//!     .build()?;
//! let app = Router::new()
//!     .route("/me", get(|user: AuthUser| async move { Json(user) }))
//!     .route_layer(RequireUser::new())
//!     .layer(auth.layer());
//! let ada = testing::sign_in(&auth, "ada@example.com").await;
//! let client = TestClient::new(app).with_session(&ada);
//! assert_eq!(client.get("/me").await.json()["email"], "ada@example.com");
//! # Ok(()) }
//! ```
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
#[cfg(feature = "passkeys")]
mod ceremony;
mod client;
mod clock;
#[cfg(feature = "device-bound")]
mod device;
mod faulty;
#[cfg(feature = "oauth")]
mod github;
#[cfg(feature = "oauth")]
mod idp;
mod mailbox;
mod mails;
#[cfg(feature = "passkeys")]
mod passkey;
mod response;
mod routes;
mod sign_in;
mod store_suite;
mod watch;

pub use app::TestApp;
pub use client::TestClient;
pub use clock::ManualClock;
#[cfg(feature = "device-bound")]
pub use device::{DeviceFault, VirtualDevice};
pub use faulty::FaultyStore;
#[cfg(feature = "oauth")]
pub use github::FakeGitHub;
#[cfg(feature = "oauth")]
pub use idp::{FakeIdp, Fault};
pub use mailbox::Mailbox;
pub use mails::mail_previews;
#[cfg(feature = "passkeys")]
pub use passkey::{PasskeyFault, VirtualAuthenticator};
pub use response::TestResponse;
pub use routes::route_paths;
pub use sign_in::{SignInAs, TestSession, sign_in};
pub use store_suite::{
    ConformanceTest, UserConformanceTest, store_conformance_tests, user_store_tests,
};
pub use watch::EventRecorder;
