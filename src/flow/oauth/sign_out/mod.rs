//! Sign-outs that begin or end at the provider.

mod routes;

pub(super) use routes::{LOGOUT, SIGNED_OUT, back_channel_logout, signed_out};
