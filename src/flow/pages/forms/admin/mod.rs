//! The pages of administrators.

mod acts;
mod create;
mod gate;
mod lists;
mod user;

pub(in crate::flow::pages) use acts::change as change_user;
pub(in crate::flow::pages) use create::{create as create_user, show as show_new_user};
pub(super) use gate::is_administrator;
pub(in crate::flow::pages) use lists::{events as show_events, users as show_users};
pub(in crate::flow::pages) use user::show as show_user;
