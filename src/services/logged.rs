//! Conditions that are logged once per process, since every request meets them.

use std::{
    net::IpAddr,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::HeaderName;

/// After this many requests in a row from one IP address, the log warns of a proxy that is not
/// trusted.
const SUSPICIOUS: u32 = 100;

/// The conditions that this process has logged.
#[derive(Default)]
pub(crate) struct LoggedOnce {
    /// Set once the log has warned that requests have no client IP address.
    pub(crate) nameless: OnceLock<()>,
    /// Detects that all requests have the IP address of one proxy.
    pub(crate) clients: OneClient,
    /// The second factors that no registered flow verifies.
    factors: Mutex<Vec<&'static str>>,
}

impl LoggedOnce {
    /// Returns those of the names of second factors that were not logged before.
    pub(super) fn factors(&self, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
        let mut logged = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = names.filter(|name| !logged.contains(name)).collect();
        logged.extend(&new);
        new
    }
}

/// Counts requests in a row from one IP address, each with a header in which a proxy names another
/// one.
#[derive(Default)]
pub(crate) struct OneClient {
    is_logged: AtomicBool,
    last: Mutex<Option<(IpAddr, u32)>>,
}

impl OneClient {
    /// Counts a request. `named` returns the header that names another client, and whether it is the
    /// configured one.
    pub(crate) fn note(&self, ip: IpAddr, named: impl FnOnce() -> Option<(HeaderName, bool)>) {
        if self.is_logged.load(Relaxed) {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((header, is_configured)) = named() else { return *last = None };
        let count = match *last {
            Some((before, count)) if before == ip => count.saturating_add(1),
            _ => 1,
        };
        *last = Some((ip, count));
        if count < SUSPICIOUS || self.is_logged.swap(true, Relaxed) {
            return;
        }
        let cure = match is_configured {
            true => String::new(),
            false => format!(" and .client_ip_header(\"{header}\")"),
        };
        tracing::warn!(
            "{SUSPICIOUS} requests in a row come from {ip}, but their header `{header}` names \
             another client: limits by network count all users as one; if {ip} is your proxy, add \
             .trusted_proxy(\"{ip}\"){cure}"
        );
    }
}
