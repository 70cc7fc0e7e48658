//! Sign-ins of native applications.

mod routes;

pub(super) use routes::{EXCHANGE, exchange};
