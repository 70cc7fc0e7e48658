//! Metrics, with the feature `metrics` by the facade of the crate of the same name: the application
//! installs an exporter. Names follow the conventions of OpenTelemetry.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(not(feature = "metrics"))]
mod nothing;

#[cfg(feature = "metrics")]
use facade as measured;
#[cfg(not(feature = "metrics"))]
use nothing as measured;

#[cfg(feature = "password")]
pub(crate) use measured::hashes_waiting;
pub(crate) use measured::{cache_lookup, describe, lease_held, mail_queue_size, rejected};
