//! Authorization with Cedar policies (feature `cedar`).
//!
//! A [`Subject`](crate::Subject) becomes the principal of a request:
//!
//! | subject | in Cedar |
//! |---|---|
//! | kind and id | `User::"…"`, `Service::"…"`, `Anonymous::"…"` (without a user `"nobody"`) |
//! | roles | parents `Role::"…"`, and the set `principal.roles` |
//! | tenant | a parent `Tenant::"…"`, and `principal.tenant` if there is one |
//! | scopes | the set `principal.scopes` |
//! | attributes | the record `principal.attributes` |
//!
//! An attribute that is `null` is absent: check it with `has`. Cedar has no fractions, no integers
//! beyond 64 bits and no `null` in a set. A request with such an attribute is denied, since
//! omitting it could prevent a `forbid` from applying.
//!
//! An API key has its own scopes and no roles. A request with it is allowed only if it would also
//! be allowed for the owner with all roles and scopes.
//!
//! Cedar ignores a policy whose evaluation fails. A `forbid` that fails would then allow what it
//! should deny, so here any error denies the request.
//!
//! ```
//! use authlayer::{PolicyRequest, Policies, Subject};
//!
//! let policies = Policies::parse(
//!     r#"
//!     @id("services read")
//!     permit (principal is Service, action == Action::"read", resource)
//!     when { principal.scopes.contains("files:read") };
//!     "#,
//! )?;
//! let mut robot = Subject::service("backup");
//! let read = PolicyRequest::new("read", "File", "a.txt");
//! assert!(!policies.is_authorized(&robot, &read).is_allowed());
//! robot.scopes = vec!["files:read".to_owned()];
//! assert_eq!(policies.is_authorized(&robot, &read).policies, ["services read"]);
//!
//! // All clones use the new policies from now on. An error retains the old ones.
//! assert!(policies.reload("permit (principal").is_err());
//! policies.reload("forbid (principal, action, resource);")?;
//! assert!(!policies.is_authorized(&robot, &read).is_allowed());
//! # Ok::<(), authlayer::PolicyError>(())
//! ```

mod ask;
mod policies;
mod terms;

pub use ask::{PolicyDecision, PolicyRequest};
pub use policies::{Policies, PolicyError};
