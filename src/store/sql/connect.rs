//! The PostgreSQL server of a URL or a pool.

use sqlx::{
    ConnectOptions, Connection, Error, Executor, PgPool, Postgres, Row, postgres::PgConnectOptions,
};

use super::StoreError;

/// Whether a standby, a database or a role is read-only.
const READ_ONLY: &str =
    "SELECT pg_is_in_recovery()::text, current_setting('transaction_read_only')";

/// Parses a database URL. An error never contains the URL, which may contain a password.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let form = "expected `postgres://user:password@host:5432/database`";
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme.filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        Some("postgres" | "postgresql") => {}
        Some(scheme) => {
            let text = format!("the database URL has the scheme `{scheme}`: {form}");
            return Err(StoreError::new(text));
        }
        None => return Err(StoreError::new(format!("the database URL has no scheme: {form}"))),
    }
    let options: PgConnectOptions = url.parse().map_err(|error| {
        StoreError::new(format!("the database URL is invalid, {error}: {form}"))
    })?;
    // PgBouncer rejects this parameter. The default of a server is as precise.
    Ok(options.extra_float_digits(None))
}

/// Returns the host and port, or the socket.
pub(super) fn server(pool: &PgPool) -> String {
    let options = pool.connect_options();
    match options.get_socket() {
        Some(path) => format!("{}, port {}", path.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Opens and closes a connection, with the check that each connection of a pool gets.
pub(super) async fn probe(pool: &PgPool) -> Result<(), Error> {
    let mut connection = pool.connect_options().connect().await?;
    refuse_read_only(&mut connection).await?;
    connection.close().await
}

/// Returns an error if the server is read-only.
pub(super) async fn refuse_read_only(
    connection: impl Executor<'_, Database = Postgres>,
) -> Result<(), Error> {
    let row = connection.fetch_one(READ_ONLY).await?;
    let (is_standby, read_only): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let why = match (is_standby, read_only) {
        ("true", _) => {
            "the server is a standby (`pg_is_in_recovery()`): set the database URL to the primary"
        }
        (_, "on") => {
            "the server is read-only: set the database URL to the primary, or turn \
            `default_transaction_read_only` off for this database and role"
        }
        _ => return Ok(()),
    };
    Err(Error::Configuration(why.into()))
}
