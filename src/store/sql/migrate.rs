//! Our own migrations, in our own table.
//!
//! They run in one transaction under a lock, so any number of processes may start at
//! once: one migrates, the others wait and find it done.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

macro_rules! both {
    ($name:literal) => {
        ($name, [include_str!(concat!("../../../migrations/", $name, ".sql")); 2])
    };
}

/// A name, and the text for SQLite and for PostgreSQL.
const MIGRATIONS: &[(&str, [&str; 2])] = &[
    both!("0001_core"),
    both!("0002_proofs"),
    both!("0003_identities"),
    both!("0004_standing"),
    both!("0005_api_keys"),
    both!("0006_events"),
    (
        "0006_key_collation",
        [
            include_str!("../../../migrations/0006_key_collation_sqlite.sql"),
            include_str!("../../../migrations/0006_key_collation_postgres.sql"),
        ],
    ),
    (
        "0007_changes",
        [
            include_str!("../../../migrations/0007_changes_sqlite.sql"),
            include_str!("../../../migrations/0007_changes_postgres.sql"),
        ],
    ),
    both!("0008_factor_names"),
    (
        "0009_begun",
        [
            include_str!("../../../migrations/0009_begun_sqlite.sql"),
            include_str!("../../../migrations/0009_begun_postgres.sql"),
        ],
    ),
];

macro_rules! table {
    ($collation:literal) => {
        concat!(
            "CREATE TABLE IF NOT EXISTS auth_migrations (name TEXT",
            $collation,
            " NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)"
        )
    };
}

pub(super) const TABLE_SQLITE: &str = table!("");
pub(super) const TABLE_POSTGRES: &str = table!(r#" COLLATE "C""#);
pub(super) const APPLIED: &str = "SELECT name, checksum FROM auth_migrations ORDER BY name";
pub(super) const NOTE: &str =
    "INSERT INTO auth_migrations (name, checksum, applied_at) VALUES ($1, $2, $3)";

/// Whether this is one of our tables.
pub(super) fn is_ours(table: &str) -> bool {
    let made = |text: &str| text.contains(&format!("CREATE TABLE {table} "));
    table == "auth_migrations" || MIGRATIONS.iter().any(|(_, [text, _])| made(text))
}

/// A migration that has yet to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) checksum: String,
}

/// The database cannot be brought to the state that this version needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The engine refused.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A migration ran with another text than this version has.
    #[error("the migration {0} was applied with another text than this version has")]
    Changed(String),
    /// A newer version was here before.
    #[error(
        "the database has the migration {0}, which this version does not know: upgrade authlayer"
    )]
    Unknown(String),
}

/// What has yet to run on SQLite (0) or PostgreSQL (1), given names and checksums of what has.
pub(super) fn pending(
    applied: &[(String, String)],
    engine: usize,
) -> Result<Vec<Plan>, MigrateError> {
    let text_of = |texts: &[&'static str; 2]| texts.get(engine).copied().unwrap_or_default();
    for (name, checksum) in applied {
        match MIGRATIONS.iter().find(|(known, _)| known == name) {
            None => return Err(MigrateError::Unknown(name.clone())),
            Some((_, texts)) if checksum_of(text_of(texts)) != *checksum => {
                return Err(MigrateError::Changed(name.clone()));
            }
            Some(_) => {}
        }
    }
    let new = MIGRATIONS.iter().filter(|(name, _)| applied.iter().all(|(known, _)| known != name));
    let plan = |(name, texts): &(&'static str, [&'static str; 2])| {
        let text = text_of(texts);
        Plan { name, text, checksum: checksum_of(text) }
    };
    Ok(new.map(plan).collect())
}

fn checksum_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_from_another_version_is_refused_by_name() {
        let (name, [text, _]) = MIGRATIONS[0];
        let applied = |name: &str, sum: String| vec![(name.to_owned(), sum)];
        assert_eq!(pending(&[], 0).unwrap().len(), MIGRATIONS.len());
        assert_eq!(
            pending(&applied(name, checksum_of(text)), 0).unwrap().len(),
            MIGRATIONS.len() - 1
        );
        assert!(matches!(
            pending(&applied(name, "other".to_owned()), 0),
            Err(MigrateError::Changed(_))
        ));
        assert!(matches!(
            pending(&applied("9999_later", String::new()), 0),
            Err(MigrateError::Unknown(_))
        ));
    }
}
