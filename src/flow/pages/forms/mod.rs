//! The handlers of the pages.

mod account;
mod admin;
mod device;
mod links;
mod security;
mod sign_in;
mod step_up;
mod verify;

pub(super) use admin::{
    change_user, create_user, show_events, show_new_user, show_user, show_users,
};
pub(super) use device::{decide as decide_device, show as show_device};
pub(super) use links::{
    cancel_recovery, forgot, open_cancel_recovery, open_reset, open_sign_in_link, open_undo, reset,
    show_forgot, sign_in_link, undo_email_change,
};
pub(super) use security::{change as change_security, show as show_security};
pub(super) use sign_in::{
    email, end_impersonation, show_email, show_sign_in, show_sign_out, show_sign_up, sign_in,
    sign_out, sign_up,
};
pub(super) use step_up::{show as show_step_up, step_up};
pub(super) use verify::{resend, show as show_verify, verify};
