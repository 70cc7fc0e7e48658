//! Metrics by the facade. Without a recorder of the application, each call does nothing.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const HASHES: &str = "authlayer.password.hash.waiting";
const MAILS: &str = "authlayer.mail.queue.size";
const LOOKUPS: &str = "authlayer.cache.lookups";
const LEASE: &str = "authlayer.cache.lease";
const REJECTIONS: &str = "authlayer.rejections";

/// Describes the metrics to the recorder of the application.
pub(crate) fn describe() {
    describe_gauge!(HASHES, Unit::Count, "Password hashes that wait for a thread");
    describe_gauge!(MAILS, Unit::Count, "Messages in the queue of this process");
    describe_counter!(LOOKUPS, Unit::Count, "Lookups in the caches of sessions and API keys");
    describe_gauge!(LEASE, Unit::Count, "1 while cached data is used, 0 if changes are not heard");
    describe_counter!(REJECTIONS, Unit::Count, "Error responses by code");
}

/// Changes the number of hashes that wait for a thread.
pub(crate) fn hashes_waiting(change: i32) {
    gauge!(HASHES).increment(f64::from(change));
}

/// Changes the number of messages in the queue.
pub(crate) fn mail_queue_size(change: i32) {
    gauge!(MAILS).increment(f64::from(change));
}

/// Counts a lookup in a cache.
pub(crate) fn cache_lookup(cache: &'static str, is_hit: bool) {
    let result = if is_hit { "hit" } else { "miss" };
    counter!(LOOKUPS, "authlayer.cache.name" => cache, "authlayer.cache.result" => result)
        .increment(1);
}

/// Sets whether this process may use cached data.
pub(crate) fn lease_held(is_held: bool) {
    gauge!(LEASE).set(if is_held { 1.0 } else { 0.0 });
}

/// Counts an error response.
pub(crate) fn rejected(code: &'static str) {
    counter!(REJECTIONS, "error.type" => code).increment(1);
}
