//! Cedar policies: who may do what to which, written apart from the code (feature `cedar`).
//!
//! A [`Subject`](crate::Subject) becomes the principal of a question:
//!
//! | of the subject | in Cedar |
//! |---|---|
//! | kind and id | `User::"…"`, `Service::"…"`, `Anonymous::"…"` (nobody at all is `Anonymous::"nobody"`) |
//! | roles | parents `Role::"…"`, and the set `principal.roles` |
//! | tenant | a parent `Tenant::"…"`, and `principal.tenant` where there is one |
//! | scopes | the set `principal.scopes` |
//! | attributes | the record `principal.attributes` |
//!
//! An attribute that is null is absent: check it with `has`. Cedar has no fractions, no integers
//! beyond 64 bits and no null in a set: a request with such an attribute is denied, since
//! leaving it out could keep a `forbid` from applying.
//!
//! An API key acts with its own scopes and without roles. It is allowed only what its user, with
//! all of their roles and scopes, is allowed as well.
//!
//! Where a policy fails at a question, Cedar goes on without it. A `forbid` that fails would let
//! pass what it should stop: here any failure is a refusal.
//!
//! ```
//! use authlayer::{Ask, Policies, Subject};
//!
//! let policies = Policies::parse(
//!     r#"
//!     @id("services read")
//!     permit (principal is Service, action == Action::"read", resource)
//!     when { principal.scopes.contains("files:read") };
//!     "#,
//! )?;
//! let mut robot = Subject::service("backup");
//! let read = Ask::new("read", "File", "a.txt");
//! assert!(!policies.ask(&robot, &read).is_allowed());
//! robot.scopes = vec!["files:read".to_owned()];
//! assert_eq!(policies.ask(&robot, &read).policies, ["services read"]);
//!
//! // Every handle sees the new ones with its next question; a mistake leaves the old ones.
//! assert!(policies.reload("permit (nobody").is_err());
//! policies.reload("forbid (principal, action, resource);")?;
//! assert!(!policies.ask(&robot, &read).is_allowed());
//! # Ok::<(), authlayer::PolicyError>(())
//! ```

mod ask;
mod policies;
mod terms;

pub use ask::{Answer, Ask};
pub use policies::{Policies, PolicyError};
