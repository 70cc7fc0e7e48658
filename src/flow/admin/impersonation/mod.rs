//! Impersonation: an administrator acts as a user, for an hour at most.

mod routes;
mod service;

pub(super) use routes::register;
