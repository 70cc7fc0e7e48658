//! The contract of stores, as named rules.

mod bindings;
mod credentials;
mod fixtures;
mod mails;
mod session_limits;
mod sessions;
mod signing_keys;
mod tags;
mod transitions;
mod usernames;
mod users;

use std::{future::Future, pin::Pin, sync::Arc};

use self::{
    bindings::*, credentials::*, mails::*, session_limits::*, sessions::*, signing_keys::*,
    tags::*, transitions::*, usernames::*, users::*,
};
use crate::{store::Store, users::UserStorage};

/// A rule: its name, and its test, which requires a new, empty store.
pub type ConformanceTest =
    (&'static str, fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Returns the rules for a store. A store passes if no rule panics.
///
/// Run each rule on a separate store: `for (name, rule) in store_conformance_tests() { rule(fresh()).await }`.
pub fn store_conformance_tests() -> Vec<ConformanceTest> {
    macro_rules! rules {
        ($($name:ident)*) => { vec![$((stringify!($name), |store| Box::pin($name(store)))),*] };
    }
    rules! {
        session_round_trips
        session_and_user_round_trip_with_any_text
        unknown_session_returns_none
        session_of_an_external_user_has_no_user
        last_use_is_recorded_once_per_interval
        last_uses_are_recorded_in_a_batch
        late_last_use_does_not_restore_a_session
        concurrent_rotations_succeed_once
        rotation_does_not_restore_a_session
        session_is_bound_once
        session_begins_with_a_key
        confirmation_applies_only_to_its_generation
        sessions_are_listed_newest_first
        session_limit_revokes_the_oldest_session
        sessions_are_listed_in_pages_of_a_hundred
        session_limit_reports_the_revoked_sessions
        transition_revokes_the_oldest_session
        session_limit_is_exact_under_concurrency
        large_session_limit_is_exact_under_concurrency
        credential_use_and_its_session_are_written_atomically
        concurrent_credential_uses_create_one_session
        only_expired_rows_are_swept
        session_is_revoked_once
        revoking_sessions_of_a_user_affects_no_others
        tags_revoke_only_the_sessions_that_have_all_of_them
        credential_is_a_tag_of_the_sessions_it_was_verified_on
        disabled_user_gets_no_session
        concurrent_ban_and_sign_in_leave_no_session
        concurrent_insert_does_not_outlive_its_user
        credential_is_replaced_only_if_unchanged
        renewal_keeps_the_session_and_happens_once
        transition_of_a_revoked_session_writes_nothing
        removal_of_all_but_some_credentials_deletes_api_keys
        rows_of_a_deleted_user_are_not_inserted
        challenge_is_replaced_even_if_expired
        concurrent_inserts_and_deletion_leave_no_rows
        due_message_is_claimed_once
        message_of_a_transition_is_stored_with_it
        copied_link_is_valid_beside_the_first
        copied_link_does_not_outlive_a_revocation
        replaced_link_replaces_the_first
        abandoned_messages_are_swept
        concurrent_signing_keys_of_one_number_are_inserted_once
        signing_key_is_changed_only_if_unchanged
        replaced_signing_keys_are_swept
    }
}

/// A rule about users: its name, and its test, which requires a new, empty store and the storage
/// mode of users.
pub type UserConformanceTest =
    (&'static str, fn(Arc<dyn Store>, UserStorage) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Returns the rules about users, for every storage mode and for your own
/// [`UserStore`](crate::UserStore). An implementation passes if no rule panics.
///
/// Run each rule on a separate store: `for (name, rule) in user_store_tests() { rule(store,
/// users).await }`.
pub fn user_store_tests() -> Vec<UserConformanceTest> {
    macro_rules! rules {
        ($($name:ident)*) => {
            vec![$((
                stringify!($name),
                |store, users| Box::pin($name(World::new(store, users))),
            )),*]
        };
    }
    rules! {
        user_round_trips
        concurrent_sign_ups_create_one_user
        taken_user_name_and_taken_email_are_distinguished
        usernames_that_look_alike_are_taken
        ban_revokes_all_sessions_permanently
        deleted_user_leaves_no_rows
        edit_succeeds_or_names_the_unsupported_field
        concurrent_edits_are_all_applied
        email_verification_is_stored
        email_changes_only_from_its_expected_value
        transition_writes_all_or_nothing
        concurrent_ban_and_edits_are_all_applied
        concurrent_ban_and_new_session_leave_no_session
        anonymous_user_is_registered_once
        users_are_listed_in_pages
    }
}
