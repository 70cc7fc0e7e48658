//! Reading rows: every column by its place, every surprise an error without its value.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::db::Db;
use crate::store::StoreError;

/// A row, read from left to right.
pub(super) struct Reader<'r, DB: Db> {
    row: &'r DB::Row,
    table: &'static str,
    next: usize,
}

impl<'r, DB: Db> Reader<'r, DB> {
    pub(super) fn new(row: &'r DB::Row, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// Goes on with the columns of another table.
    pub(super) fn joined(mut self, table: &'static str) -> Self {
        self.table = table;
        self
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        self.next += 1;
        DB::text(self.row, self.next - 1).map_err(|_| self.corrupt())
    }

    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        self.next += 1;
        DB::int(self.row, self.next - 1).map_err(|_| self.corrupt())
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
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|_| self.corrupt())
    }

    /// A text that `read` understands.
    pub(super) fn parsed<T>(
        &mut self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text()?;
        read(&text).ok_or_else(|| self.corrupt())
    }

    /// What the column before this one, if it did not make sense, is reported as.
    pub(super) fn corrupt(&self) -> StoreError {
        let column = DB::name(self.row, self.next.saturating_sub(1));
        StoreError::new(format!("a row of {} makes no sense in column {column}", self.table))
    }
}

/// JSON as it is stored.
pub(super) fn json_text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}
