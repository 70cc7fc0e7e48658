//! Checks of PostgreSQL.

use authlayer::{
    PgStore,
    clock::{Clock, SystemClock},
    jiff::SignedDuration,
    sqlx::{self, Row},
    store::Store,
};

use super::check::{Check, Status};

/// The oldest major version that its developers support, in the form of `server_version_num`.
const OLDEST: i32 = 140_000;
/// The oldest major version on which authlayer is tested.
const TESTED: i32 = 150_000;
/// A difference of the clocks that is worth a warning, and one with which sessions fail.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(1);
const EXCESSIVE: SignedDuration = SignedDuration::from_secs(15);

const VERSION: &str =
    "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
const ROLE: &str = "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user";
/// The privileges on the tables of authlayer in the search path that the role lacks.
const MISSING: &str = "SELECT c.relname::text || ' ' || p.name FROM pg_class c
    CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p(name)
    WHERE c.relkind IN ('r', 'p') AND c.relname LIKE 'auth\\_%' AND pg_table_is_visible(c.oid)
    AND NOT has_table_privilege(c.oid, p.name)
    AND NOT (c.relname = 'auth_migrations' AND p.name <> 'SELECT') ORDER BY 1";

pub(super) async fn checks(store: &PgStore, checks: &mut Vec<Check>) {
    checks.push(version(store).await.unwrap_or_else(|error| failed("version", &error)));
    checks.push(Check::ok("pooler", "prepared statements and transactions work"));
    checks.push(role(store).await.unwrap_or_else(|error| failed("role", &error)));
    checks.push(clock(store).await);
}

fn failed(name: &'static str, error: &sqlx::Error) -> Check {
    Check::failed(name, error, "")
}

async fn version(store: &PgStore) -> Result<Check, sqlx::Error> {
    let row = sqlx::query(VERSION).persistent(false).fetch_one(store.pool()).await?;
    let (number, text): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    let found = format!("PostgreSQL {text}");
    Ok(match number {
        ..OLDEST => {
            Check::of("version", Status::Failed, found, "upgrade to PostgreSQL 15 or newer")
        }
        OLDEST..TESTED => {
            let advice = "upgrade: authlayer is tested on PostgreSQL 15 and newer";
            Check::of("version", Status::Warning, found, advice)
        }
        _ => Check::ok("version", found),
    })
}

async fn role(store: &PgStore) -> Result<Check, sqlx::Error> {
    let row = sqlx::query(ROLE).persistent(false).fetch_one(store.pool()).await?;
    let (name, is_superuser): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
    let rows = sqlx::query(MISSING).persistent(false).fetch_all(store.pool()).await?;
    let missing: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    let missing = missing?;
    if !missing.is_empty() {
        let found = format!("{name} lacks {}", missing.join(", "));
        let advice = "GRANT SELECT, INSERT, UPDATE, DELETE on these tables to the role";
        return Ok(Check::of("role", Status::Failed, found, advice));
    }
    Ok(match is_superuser {
        true => Check::of(
            "role",
            Status::Warning,
            format!("{name} is a superuser"),
            "use a role that can only read and write rows",
        ),
        false => Check::ok("role", format!("{name} has SELECT, INSERT, UPDATE and DELETE")),
    })
}

async fn clock(store: &PgStore) -> Check {
    let before = SystemClock.now();
    let there = match store.server_time().await {
        Ok(Some(there)) => there,
        Ok(None) => return Check::ok("clock", "the database is on this machine"),
        Err(error) => return Check::failed("clock", &error, ""),
    };
    // The server read its clock between the two.
    let ahead = before.duration_since(there);
    let behind = there.duration_since(SystemClock.now());
    let difference = ahead.max(behind).max(SignedDuration::ZERO);
    let found = format!("differs by {} ms from the database", difference.as_millis());
    let advice = "synchronize the clocks with NTP";
    match difference {
        own if own > EXCESSIVE => Check::of("clock", Status::Failed, found, advice),
        own if own > NOTICEABLE => Check::of("clock", Status::Warning, found, advice),
        _ => Check::ok("clock", found),
    }
}
