//! The events of the signed-in user.

use std::time::Duration;

use serde_json::Value;

use super::AccountService;
use crate::{
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::UserId,
    store::{EventQuery, is_event_id},
};

/// The number of events in a page.
const PAGE: usize = 50;
/// How long the first page waits for events that are not written yet.
const CATCH_UP: Duration = Duration::from_millis(500);
/// The number of events in a query.
const BATCH: u32 = 500;
/// The maximum number of queries for a page. After that, the page is shorter.
const MAX_QUERIES: usize = 4;

impl AccountService {
    /// Returns a page of the events of a user, newest first, and the cursor of the next page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] for a malformed cursor; [`ErrorKind::NotFound`] without an
    /// audit log; [`ErrorKind::Unavailable`].
    pub(super) async fn events(
        &self,
        user: &UserId,
        cursor: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), AuthError> {
        let audit = self.core.audit.as_ref().ok_or(ErrorKind::NotFound)?;
        if cursor.is_some_and(|cursor| !is_event_id(cursor)) {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("cursor must be the next_cursor of an earlier response."));
        }
        if cursor.is_none() {
            audit.catch_up(CATCH_UP).await;
        }
        let before = cursor.map(ToOwned::to_owned);
        let mut query = EventQuery { before, ..EventQuery::default().user(user.clone()) };
        let mut page = Vec::new();
        for _ in 0..MAX_QUERIES {
            let batch = audit.query(&query, BATCH).await?;
            let is_last = batch.len() < BATCH as usize;
            for stored in batch {
                if is_shown(&stored.event) {
                    if page.len() == PAGE {
                        return Ok((page, query.before));
                    }
                    page.push(stored.event.into_user_view());
                }
                query.before = Some(stored.id);
            }
            if is_last {
                return Ok((page, None));
            }
        }
        Ok((page, query.before))
    }
}

/// Returns `false` for events of a guard, a policy or a limit, which are for operators, and for
/// refreshes, which happen without the user.
fn is_shown(event: &Event) -> bool {
    let stored_name = event.detail.get("kind").and_then(Value::as_str);
    let name = match event.kind {
        EventKind::Other => stored_name.unwrap_or_default(),
        kind => kind.as_str(),
    };
    let is_hidden = matches!(name, "refreshed" | "access_denied" | "limit_reached");
    !is_hidden && !name.starts_with("policy_")
}
