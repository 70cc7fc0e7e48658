//! The sessions, factors and password resets of a user.

mod routes;

pub(super) use routes::register;
