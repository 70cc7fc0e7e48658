//! The events of all users.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Value, json};

use super::{AdminService, members::EventFilter};
use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    store::{EventQuery, is_event_id},
};

/// How long the first page waits for events that are not written yet.
const CATCH_UP: Duration = Duration::from_millis(500);

impl AdminService {
    /// Returns a page of events, newest first, and the cursor of the next page. There are no events of
    /// a kind that this process does not know.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a malformed cursor; [`ErrorKind::NotFound`] without an audit
    /// log; [`ErrorKind::Unavailable`].
    pub(super) async fn events(
        &self,
        filter: EventFilter,
    ) -> Result<(Vec<Value>, Option<String>), AuthError> {
        let EventFilter { user, kind, since, until, limit, cursor } = filter;
        let audit = self.core.audit.as_ref().ok_or(ErrorKind::NotFound)?;
        if cursor.as_deref().is_some_and(|cursor| !is_event_id(cursor)) {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("cursor must be the next_cursor of an earlier response."));
        }
        let kind = match kind.as_deref().map(EventKind::from_name) {
            Some(None) => return Ok((Vec::new(), None)),
            Some(kind) => kind,
            None => None,
        };
        if user.as_ref().is_some_and(|user| user.as_str().contains('\0')) {
            return Ok((Vec::new(), None));
        }
        if cursor.is_none() {
            audit.catch_up(CATCH_UP).await;
        }
        let (since, until) = (since.map(next_millis), until.map(next_millis));
        let query = EventQuery { user, kind, before: cursor, since, until };
        let mut events = audit.query(&query, limit.saturating_add(1)).await?;
        let has_next = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next = events.last().filter(|_| has_next).map(|last| last.id.clone());
        Ok((events.iter().map(|stored| json!(stored.event)).collect(), next))
    }
}

/// Returns the first whole millisecond that is not before a time: events have whole milliseconds.
fn next_millis(at: Timestamp) -> Timestamp {
    let up = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Ceil);
    at.round(up).unwrap_or(at)
}
