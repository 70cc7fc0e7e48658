//! The queries and bodies of requests.

mod routes;

pub(super) use routes::{
    EVENT_PARAMETERS, USER_PARAMETERS, check_texts, event_filter, list_filter,
};
