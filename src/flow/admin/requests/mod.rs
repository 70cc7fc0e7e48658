//! The queries and bodies of requests.

mod routes;

pub(super) use routes::{EVENT_PARAMETERS, USER_PARAMETERS, event_filter, list_filter};
