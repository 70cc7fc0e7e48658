//! The result of a check.

use serde_json::{Value, json};

use crate::failure::with_sources;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// It works, but should be improved.
    Warning,
    Failed,
    /// The options do not have what the check needs.
    Skipped,
}

/// A check with its result.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) status: Status,
    /// The state that was found.
    pub(super) found: String,
    /// The action that is needed; empty if none is.
    pub(super) advice: String,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), advice: String::new() }
    }

    pub(super) fn of(
        name: &'static str,
        status: Status,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { name, status, found: found.into(), advice: advice.into() }
    }

    pub(super) fn failed(
        name: &'static str,
        error: &dyn std::error::Error,
        advice: impl Into<String>,
    ) -> Self {
        Self::of(name, Status::Failed, with_sources(error), advice)
    }

    pub(super) fn skipped(name: &'static str, advice: impl Into<String>) -> Self {
        Self::of(name, Status::Skipped, "not checked", advice)
    }

    pub(super) fn word(&self) -> &'static str {
        match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.name, "status": self.word(), "found": self.found, "advice": self.advice,
        })
    }
}
