//! Reads the columns of rows in order. An error never contains the value of a column.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::db::Db;
use crate::{
    model::{UserStatus, name},
    store::StoreError,
};

/// A row, read from left to right.
pub(super) struct Reader<'r, DB: Db> {
    source: Source<'r, DB>,
    table: &'static str,
    next: usize,
}

enum Source<'r, DB: Db> {
    Row(&'r DB::Row),
    /// A row of [`Db::packed`]. For a value that is JSON itself, SQLite returns the value instead
    /// of its text.
    List(Vec<&'r RawValue>),
}

impl<'r, DB: Db> Reader<'r, DB> {
    pub(super) fn new(row: &'r DB::Row, table: &'static str) -> Self {
        Self { source: Source::Row(row), table, next: 0 }
    }

    /// Reads a row with [packed](Db::packed) columns.
    pub(super) fn packed(row: &'r DB::Row, table: &'static str) -> Result<Self, StoreError> {
        if DB::IS_POSTGRES {
            return Ok(Self::new(row, table));
        }
        let list = DB::text(row, 0).ok().flatten().and_then(|text| serde_json::from_str(text).ok());
        let list =
            list.ok_or_else(|| StoreError::new(format!("a row of {table} is not a JSON array")))?;
        Ok(Self { source: Source::List(list), table, next: 0 })
    }

    /// Continues with the columns of another table, for error messages.
    pub(super) fn joined(mut self, table: &'static str) -> Self {
        self.table = table;
        self
    }

    pub(super) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.optional_str()?.map(Cow::into_owned))
    }

    fn optional_str(&mut self) -> Result<Option<Cow<'r, str>>, StoreError> {
        self.next += 1;
        let place = self.next - 1;
        let text = match &self.source {
            Source::Row(row) => DB::text(row, place).map(|text| text.map(Cow::Borrowed)).ok(),
            Source::List(list) => {
                list.get(place).and_then(|value| text_of(value)).map(|text| match text {
                    ListText::Null => None,
                    ListText::Value(text) => Some(text),
                })
            }
        };
        text.ok_or_else(|| self.corrupt())
    }

    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        self.next += 1;
        let place = self.next - 1;
        let number = match &self.source {
            Source::Row(row) => DB::int(row, place).ok(),
            Source::List(list) => {
                list.get(place).and_then(|value| serde_json::from_str(value.get()).ok())
            }
        };
        number.ok_or_else(|| self.corrupt())
    }

    fn str(&mut self) -> Result<Cow<'r, str>, StoreError> {
        self.optional_str()?.ok_or_else(|| self.corrupt())
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| self.corrupt())
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        self.optional_int()?.ok_or_else(|| self.corrupt())
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.optional_time()?.ok_or_else(|| self.corrupt())
    }

    pub(super) fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let Some(millis) = self.optional_int()? else { return Ok(None) };
        Timestamp::from_millisecond(millis).map(Some).map_err(|_| self.corrupt())
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        let text = self.str()?;
        serde_json::from_str(&text).map_err(|_| self.corrupt())
    }

    /// Reads a text and parses it with `read`.
    pub(super) fn parsed<T>(
        &mut self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.str()?;
        read(&text).ok_or_else(|| self.corrupt())
    }

    /// Returns the error for an invalid value in the column that was read last.
    pub(super) fn corrupt(&self) -> StoreError {
        let place = self.next.saturating_sub(1);
        let column = match &self.source {
            Source::Row(row) => DB::name(row, place).to_owned(),
            Source::List(_) => self.next.to_string(),
        };
        StoreError::new(format!("a row of {} has an invalid value in column {column}", self.table))
    }
}

/// A nullable text.
enum ListText<'r> {
    Null,
    Value(Cow<'r, str>),
}

/// Returns the text that a value of a list represents, or `None` if it is not a text.
fn text_of(value: &RawValue) -> Option<ListText<'_>> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'n' => Some(ListText::Null),
        b'[' | b'{' => Some(ListText::Value(Cow::Borrowed(json))),
        b'"' if !json.contains('\\') => {
            Some(ListText::Value(Cow::Borrowed(json.get(1..json.len().checked_sub(1)?)?)))
        }
        b'"' => Some(ListText::Value(Cow::Owned(serde_json::from_str(json).ok()?))),
        _ => None,
    }
}

/// Returns names of kinds as a list of text constants. They are validated when they are registered.
pub(super) fn quoted(kinds: &[&'static str]) -> String {
    let valid = kinds.iter().filter(|kind| name::is_name(kind));
    valid.map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ")
}

/// Returns a value as JSON text.
pub(super) fn json_text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}

/// Returns the status with this name, or [`UserStatus::Other`] if only a newer version knows it.
pub(super) fn status(name: &str) -> UserStatus {
    let known = [UserStatus::Active, UserStatus::Disabled];
    known.into_iter().find(|status| status.as_str() == name).unwrap_or(UserStatus::Other)
}
