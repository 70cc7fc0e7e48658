//! Sign-up with a passkey.

mod routes;

pub(super) use routes::register;
