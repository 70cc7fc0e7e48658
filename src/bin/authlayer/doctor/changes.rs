//! Checks that a process notices the changes of another one.

use std::time::Duration;

use authlayer::{
    Auth, UserId,
    store::{Changed, Store},
};

use super::check::{Check, Status};
use crate::target::{Database, Target};

const NAME: &str = "changes";
const LIMIT: Duration = Duration::from_secs(5);
/// A user who does not exist.
const USER: &str = "authlayer-doctor";

/// Reports a change on one connection, and waits until it is read on another one.
pub(super) async fn check(sender: &Database, target: &Target) -> Check {
    let receiver = match target.connect().await {
        Ok(receiver) => receiver,
        Err(error) => return Check::failed(NAME, &error, "raise the limit of connections"),
    };
    let checked = between(sender, &receiver).await;
    receiver.close().await;
    checked
}

async fn between(sender: &Database, receiver: &Database) -> Check {
    let (changes, auth) = match (auth(receiver), auth(sender)) {
        (Ok(listening), Ok(auth)) => {
            // Starts the polls.
            let polls = async { while !listening.health().await.is_cached {} };
            if tokio::time::timeout(LIMIT, polls).await.is_err() {
                return silent("the changes cannot be read");
            }
            (changes_of(receiver), auth)
        }
        _ => return silent("the configuration is invalid"),
    };
    let mut subscription = changes.subscribe();
    let user = UserId::new(USER);
    let expected = Changed::User(changes.user_key(&user));
    let heard = async {
        loop {
            // A poll on demand: without requests, the database is not polled.
            changes.is_leased_soon().await;
            while let Some(changed) = subscription.try_changed() {
                if changed == expected || changed == Changed::Everything {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if let Err(error) = auth.users().notify_changed(&user).await {
        return Check::failed(NAME, &error, "grant the role its rights on auth_changes");
    }
    match tokio::time::timeout(LIMIT, heard).await {
        Ok(()) => Check::ok(NAME, "a process notices the changes of another one"),
        Err(_) => silent("a change of another process was not read within 5 seconds"),
    }
}

fn silent(found: &str) -> Check {
    Check::of(
        NAME,
        Status::Failed,
        found,
        "sessions are not cached, or revoked sessions are noticed late: see `authlayer::guide::storage`",
    )
}

fn auth(database: &Database) -> Result<Auth, authlayer::ConfigError> {
    let builder = match database.clone() {
        Database::Sqlite(store) => Auth::builder(store),
        Database::Postgres(store) => Auth::builder(store),
    };
    builder
        .origin("https://localhost")
        .flow(authlayer::Password::new())
        .cleanup_interval(None)
        .max_clock_skew(None)
        .build()
}

fn changes_of(database: &Database) -> std::sync::Arc<authlayer::store::InvalidationClock> {
    match database {
        Database::Sqlite(store) => Store::changes(store),
        Database::Postgres(store) => Store::changes(store),
    }
}
