//! Without the feature `metrics` nothing is measured.

#[inline]
pub(crate) fn describe() {}

#[inline]
pub(crate) fn hashes_waiting(_change: i32) {}

#[inline]
pub(crate) fn mail_queue_size(_change: i32) {}

#[inline]
pub(crate) fn cache_lookup(_cache: &'static str, _is_hit: bool) {}

#[inline]
pub(crate) fn lease_held(_is_held: bool) {}

#[inline]
pub(crate) fn rejected(_code: &'static str) {}
