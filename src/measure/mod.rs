//! Metrics, with the feature `metrics` by the facade of the crate of the same name: the application
//! installs an exporter. Names follow the conventions of OpenTelemetry.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(not(feature = "metrics"))]
mod nothing;

#[cfg(feature = "metrics")]
pub(crate) use facade::{
    cache_lookup, describe, hashes_waiting, lease_held, mail_queue_size, rejected,
};
#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::{
    cache_lookup, describe, hashes_waiting, lease_held, mail_queue_size, rejected,
};
