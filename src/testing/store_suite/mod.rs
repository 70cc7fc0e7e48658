//! The contract of stores, as named rules.

mod credentials;
mod fixtures;
mod session_limits;
mod sessions;
mod transitions;
mod users;

use std::{future::Future, pin::Pin, sync::Arc};

use self::{credentials::*, session_limits::*, sessions::*, transitions::*, users::*};
use crate::{store::Store, users::Users};

/// A rule: its name, and its test, which requires a new, empty store.
pub type StoreRule = (&'static str, fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Returns the rules for a store. A store passes if no rule panics.
///
/// Run each rule on a separate store: `for (name, rule) in store_rules() { rule(fresh()).await }`.
pub fn store_rules() -> Vec<StoreRule> {
    macro_rules! rules {
        ($($name:ident)*) => { vec![$((stringify!($name), |store| Box::pin($name(store)))),*] };
    }
    rules! {
        a_session_comes_back_as_it_went
        a_session_and_its_user_come_back_with_any_text
        an_unknown_session_is_none
        a_session_of_a_user_who_is_not_ours_has_no_user
        a_use_is_noted_once_in_the_interval
        uses_are_noted_together
        a_late_note_does_not_revive_a_session
        of_eight_rotations_one_is_made
        a_rotation_does_not_revive_a_session
        a_confirmation_is_of_its_generation
        sessions_are_listed_newest_first
        a_limit_ends_the_oldest
        sessions_are_listed_by_the_hundred
        limit_reports_the_sessions_it_ends
        transition_ends_the_oldest_session
        a_limit_is_exact_under_concurrency
        large_limit_is_exact_under_concurrency
        a_use_and_its_session_stand_or_fall_together
        of_eight_uses_one_begins_a_session
        only_what_has_ended_is_swept
        a_session_ends_once
        all_sessions_of_a_user_end_and_no_others
        a_provider_ends_what_it_began_and_no_others
        a_disabled_user_gets_no_session
        a_ban_and_a_sign_in_never_leave_a_session
        a_note_made_meanwhile_does_not_outlive_its_user
        a_credential_is_replaced_only_if_it_is_as_expected
        renewal_keeps_the_session_and_happens_once
        transition_of_an_ended_session_writes_nothing
        removal_of_all_but_some_takes_api_keys
        rows_of_a_deleted_user_are_not_inserted
        a_challenge_is_replaced_whether_or_not_it_expired
        inserts_and_a_deletion_at_once_leave_nothing
    }
}

/// A rule about users: its name, and its test, which requires a new, empty store and the storage
/// mode of users.
pub type UserStoreRule =
    (&'static str, fn(Arc<dyn Store>, Users) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Returns the rules about users, for every storage mode and for your own
/// [`UserStore`](crate::UserStore). An implementation passes if no rule panics.
///
/// Run each rule on a separate store: `for (name, rule) in user_store_suite() { rule(store,
/// users).await }`.
pub fn user_store_suite() -> Vec<UserStoreRule> {
    macro_rules! rules {
        ($($name:ident)*) => {
            vec![$((
                stringify!($name),
                |store, users| Box::pin($name(World::new(store, users))),
            )),*]
        };
    }
    rules! {
        a_user_comes_back_as_it_went
        sixteen_sign_ups_make_one_user
        a_taken_name_is_told_from_a_taken_address
        a_ban_ends_all_sessions_for_good
        a_deleted_user_leaves_nothing
        an_edit_is_made_or_refused_by_name
        of_eight_edits_at_once_none_is_lost
        a_proof_of_the_address_is_kept
        an_address_changes_only_from_what_it_was
        transition_writes_all_or_nothing
        concurrent_ban_and_edits_are_all_applied
        concurrent_ban_and_new_session_leave_no_session
        somebody_anonymous_becomes_somebody_once
        users_are_listed_in_pages
    }
}
