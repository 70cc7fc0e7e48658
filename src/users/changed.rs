//! The events of a change of a user by the application.

use jiff::Timestamp;

use crate::{
    event::{Event, EventKind},
    model::User,
    store::Field,
};

/// Returns the events of a change, without the user: one for the profile and other members, one for
/// roles, and one for the status. There are none if nothing has changed.
pub(super) fn events_of(before: &User, after: &User, at: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    let members = changed_members(before, after);
    if !members.is_empty() {
        events.push(Event::new(EventKind::UserUpdated, at).with("members", members));
    }
    let (added, removed) =
        (missing_in(&before.roles, &after.roles), missing_in(&after.roles, &before.roles));
    if !(added.is_empty() && removed.is_empty()) {
        let event = Event::new(EventKind::RolesChanged, at);
        events.push(event.with("added", added).with("removed", removed));
    }
    match (before.is_active(), after.is_active()) {
        (true, false) => events.push(Event::new(EventKind::UserDisabled, at)),
        (false, true) => events.push(Event::new(EventKind::UserEnabled, at)),
        _ => {}
    }
    events
}

/// Returns the names of the members that differ, without roles, status and times.
fn changed_members(before: &User, after: &User) -> Vec<&'static str> {
    let members = Field::changes(before, after).into_iter().filter_map(|field| match field {
        Field::Id | Field::Roles | Field::UserStatus | Field::CreatedAt | Field::UpdatedAt => None,
        Field::EmailVerifiedAt => Some("email_verified"),
        Field::PhoneVerifiedAt => Some("phone_verified"),
        field => Some(field.name()),
    });
    members.chain((before.extra != after.extra).then_some("extra")).collect()
}

/// Returns the names of `all` that `some` does not have.
fn missing_in<'a>(some: &[String], all: &'a [String]) -> Vec<&'a str> {
    all.iter().filter(|name| !some.contains(name)).map(String::as_str).collect()
}
