//! The identities of a user, which all providers share.

mod routes;

pub(super) use routes::{LIST_IDENTITIES, UNLINK_IDENTITY, identities, unlink};
