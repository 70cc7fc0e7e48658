//! The passkeys and security keys that a user has.

mod routes;

pub(super) use routes::{PASSKEY, register};
