//! Waits for a connection. An error names the server and the reason.
//!
//! A pool of sqlx retries a connection attempt that the server refuses or rejects temporarily, and
//! then returns "pool timed out", whatever the reason. Here a connection attempt outside of the
//! pool finds the reason shortly before the deadline.

use std::{
    io::{self, ErrorKind},
    pin::pin,
    time::Duration,
};

use sqlx::{Error, pool::PoolConnection};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    Db,
    connections::ping_timeout,
    failure::is_connection_lost,
    pool::{Access, Connections},
};

/// The time limit of a probe after a wait for which the store has no deadline.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time for which the result of a probe applies to all requests: a server with too many
/// connections gets one more attempt, not one for each request.
const RECENT: Duration = Duration::from_secs(1);

impl<DB: Db> Access<'_, DB> {
    /// Takes a connection from the pool.
    pub(super) async fn acquire(self) -> Result<PoolConnection<DB>, Error> {
        let connections = self.connections;
        let mut acquired = pin!(connections.pool.acquire());
        let done = match self.deadline {
            None => acquired.await,
            Some(deadline) => {
                let limit = connections.limit.unwrap_or_default();
                let within = || format!("`statement_timeout` = {limit:?}");
                let reason = async {
                    sleep_until(deadline - ping_timeout(limit)).await;
                    let reason = connections.reason(deadline).await;
                    sleep_until(deadline).await;
                    reason
                };
                tokio::select! {
                    biased;
                    done = acquired.as_mut() => done,
                    reason = reason => return Err(connections.no_connection(&within(), reason)),
                }
            }
        };
        match done {
            Ok(acquired) => Ok(acquired),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Adds the name of the server and its reason to an error of the pool.
    pub(super) async fn explain(self, error: Error) -> Error {
        let connections = self.connections;
        match error {
            Error::PoolTimedOut => {
                let end = self.deadline.unwrap_or_else(|| Instant::now() + PROBE_TIMEOUT);
                let limit = connections.pool.options().get_acquire_timeout();
                let reason = connections.reason(end).await;
                connections.no_connection(&format!("`acquire_timeout` = {limit:?}"), reason)
            }
            Error::PoolClosed => error,
            error => connections.failed(&error),
        }
    }
}

impl<DB: Db> Connections<DB> {
    /// Returns the reason why the server accepts no connection; `None` if it does.
    async fn reason(&self, deadline: Instant) -> Option<String> {
        let silent = || Some("the server does not respond to a new connection".to_owned());
        let Ok(mut last) = timeout_at(deadline, self.last_probe.lock()).await else {
            return silent();
        };
        if let Some((at, reason)) = &*last
            && at.elapsed() < RECENT
        {
            return reason.clone();
        }
        let reason = match timeout_at(deadline, DB::probe(&self.pool)).await {
            Ok(probed) => probed.err().map(|error| reported(&error)),
            Err(_) => silent(),
        };
        *last = Some((Instant::now(), reason.clone()));
        reason
    }

    /// Returns the error of a wait in which the pool had no connection.
    fn no_connection(&self, limit: &str, reason: Option<String>) -> Error {
        let size = self.pool.options().get_max_connections();
        let advice = if DB::IS_POSTGRES { "raise `max_connections`, or " } else { "" };
        let reason = reason.unwrap_or_else(|| {
            format!(
                "all connections of the pool, which has {size}, are in use: {advice}look for \
                statements that take long"
            )
        });
        self.error(ErrorKind::TimedOut, &format!("no connection within {limit}: {reason}"))
    }

    /// Returns the error of a connection that could not be opened or used.
    pub(super) fn failed(&self, error: &Error) -> Error {
        failed::<DB>(&DB::server(&self.pool), error)
    }

    /// Returns an error with the name of the server.
    pub(super) fn error(&self, kind: ErrorKind, problem: &str) -> Error {
        named::<DB>(&DB::server(&self.pool), kind, problem)
    }
}

/// Returns the error of a connection with the name of its server. It is an I/O error, of kind
/// `Other` if the server was reached and rejected the connection.
pub(super) fn failed<DB: Db>(server: &str, error: &Error) -> Error {
    let kind = match error {
        Error::Io(error) => error.kind(),
        error if is_connection_lost(error) => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    named::<DB>(server, kind, &reported(error))
}

fn named<DB: Db>(server: &str, kind: ErrorKind, problem: &str) -> Error {
    Error::Io(io::Error::new(kind, format!("{} at {server}: {problem}", DB::ENGINE)))
}

/// Returns the reason that the server or the network reported, for example `sorry, too many clients
/// already (53300)`.
fn reported(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Database(error) => match error.code() {
            Some(code) => format!("{} ({code}){}", error.message(), advice(error.message())),
            None => error.message().to_owned(),
        },
        Error::Configuration(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Returns advice for an error of PgBouncer at the start of a connection.
fn advice(message: &str) -> &'static str {
    if message.starts_with("unsupported startup parameter") {
        ": PgBouncer accepts few settings from a client; remove it from the URL or the options of the \
        pool, and set it for the role (`ALTER ROLE ... SET ...`)"
    } else {
        ""
    }
}
