//! Checks of the database.

use authlayer::store::StoreError;

use super::{
    changes,
    check::{Check, Status},
    postgres, sqlite,
};
use crate::{
    failure::with_sources,
    target::{Database, Target},
};

pub(super) async fn checks(target: &Target) -> Vec<Check> {
    let mut checks = Vec::new();
    let pending = match target.pending().await {
        Ok(pending) => pending,
        Err(error) => return vec![unusable(&error)],
    };
    if let Some(first) = pending.first() {
        checks.push(Check::of(
            "migrations",
            Status::Failed,
            format!("{} are pending, the first one is {}", pending.len(), first.name),
            "run `authlayer migrate` as the owner of the tables",
        ));
        return checks;
    }
    checks.push(Check::ok("migrations", "all are applied"));
    // This includes the check for a pooler.
    let database = match target.connect().await {
        Ok(database) => database,
        Err(error) => {
            checks.push(unusable(&error));
            return checks;
        }
    };
    match &database {
        Database::Sqlite(store) => sqlite::checks(store, &mut checks).await,
        Database::Postgres(store) => postgres::checks(store, &mut checks).await,
    }
    checks.push(changes::check(&database, target).await);
    database.close().await;
    checks
}

/// Returns the check of a database that cannot be used. The error says what to do.
fn unusable(error: &StoreError) -> Check {
    Check::of("database", Status::Failed, with_sources(error), "")
}
