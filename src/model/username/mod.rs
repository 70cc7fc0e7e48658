//! Usernames: their syntax, their normalized form, and the skeletons by which they are unique.
//!
//! A username has 3 to 32 characters of the profile `UsernameCaseMapped` (RFC 8265 §3.3), so that
//! `Ada` and `ada` are the same username. `@` is rejected, which distinguishes usernames from email
//! addresses; a username neither begins nor ends with `.`, `-` or `_`. Two usernames that look
//! alike, such as `paypal` and `paypaI`, have the same skeleton (UTS 39 §4), and only one user can
//! have a username with a given skeleton. Skeletons are coarse: `modern` and `modem` look alike too.

mod name;
#[cfg(feature = "usernames")]
mod precis;
#[cfg(not(feature = "usernames"))]
#[path = "disabled.rs"]
mod precis;
mod rules;

pub(super) use name::skeleton_of;
pub use name::{InvalidUsername, Username};
pub(crate) use rules::UsernameRules;
