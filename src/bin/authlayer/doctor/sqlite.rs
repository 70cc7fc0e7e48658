//! Checks of SQLite.

use authlayer::{
    SqliteStore,
    sqlx::{self, Row, sqlite::SqliteRow},
};

use super::check::{Check, Status};

/// The first version without a bug that can corrupt a database in WAL mode.
const SAFE: [u32; 3] = [3, 51, 3];

pub(super) async fn checks(store: &SqliteStore, checks: &mut Vec<Check>) {
    let version = one(store, "SELECT sqlite_version()", |row| row.try_get::<String, _>(0)).await;
    checks.push(match version {
        Ok(version) => of_version(&version),
        Err(error) => Check::failed("version", &error, ""),
    });
    let mode = one(store, "PRAGMA journal_mode", |row| row.try_get::<String, _>(0)).await;
    checks.push(match mode {
        Ok(mode) if mode == "wal" => Check::ok("journal", "WAL mode"),
        Ok(mode) => Check::of(
            "journal",
            Status::Failed,
            format!("the mode is {mode}"),
            "move the file to a local file system that supports WAL",
        ),
        Err(error) => Check::failed("journal", &error, ""),
    });
    let check = one(store, "PRAGMA quick_check(1)", |row| row.try_get::<String, _>(0)).await;
    checks.push(match check {
        Ok(found) if found == "ok" => Check::ok("integrity", "quick_check finds no problem"),
        Ok(found) => Check::of("integrity", Status::Failed, found, "restore a backup"),
        Err(error) => Check::failed("integrity", &error, "restore a backup"),
    });
}

async fn one<T>(
    store: &SqliteStore,
    sql: &'static str,
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    read(&sqlx::raw_sql(sql).fetch_one(store.pool()).await?)
}

fn of_version(version: &str) -> Check {
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let found = format!("SQLite {version}");
    match *parts >= SAFE[..] {
        true => Check::ok("version", found),
        false => Check::of(
            "version",
            Status::Warning,
            found,
            "update to 3.51.3 or newer: earlier ones can corrupt a database in WAL mode",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_wal_reset_bug_are_reported() {
        for (version, status) in
            [("3.51.2", Status::Warning), ("3.51.3", Status::Ok), ("4.0.0", Status::Ok)]
        {
            assert_eq!(of_version(version).status, status, "{version}");
        }
    }
}
