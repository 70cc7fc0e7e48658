//! Cache invalidation: which changes are reported, for which roles, and under which ID.

use std::time::Duration;

use authlayer::{
    Email, PgStore, SessionId, SqliteStore, UserId, UserStorage, UserTable,
    store::{CacheScope, EditOutcome, InvalidationClock, KeyStore, SessionStore, Store},
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::sleep;

use crate::{
    cache::{Node, TOLD, node, token_id},
    places::{ACCOUNTS_POSTGRES, accounts},
    support::{Database, On, PASSWORD, execute},
};

/// A session, a user, a disabled user and an API key, inserted by hand.
const ROWS: &str = "INSERT INTO auth_sessions (id, user_id, nonce, salt, generation, lineage_hash,
        refresh_hash, access_hash, access_expires_at, refresh_expires_at, expires_at, created_at,
        last_seen_at, factors, transport)
        VALUES ('one', 'ada', 'n', 's', 0, 'l', 'r', 'a', 10, 20, 30, 0, 0, '[]', 'bearer');
    INSERT INTO auth_users (id, is_anonymous, roles, scopes, attributes, status, user_metadata,
        app_metadata, created_at, updated_at)
        VALUES ('ada', 0, '[]', '[]', '{}', 'active', '{}', '{}', 0, 0);
    INSERT INTO auth_standing (user_id, status, is_anonymous) VALUES ('eve', 'disabled', 0);
    INSERT INTO auth_api_keys (id, hash, user_id, name, hint, scopes, created_at)
        VALUES ('key', 'h', 'ada', 'n', '', '[]', 0)";

fn schema(database: &Database) -> &str {
    match database {
        Database::Schema { name } => name,
        Database::File(_) => panic!("a file has no schemas"),
    }
}

/// Reads the changes that are committed in the schema of a database.
struct ChangeReader {
    connection: PgConnection,
    snapshot: String,
}

impl ChangeReader {
    async fn at(database: &Database) -> Self {
        let connection = PgConnection::connect(&database.url()).await.unwrap();
        let mut reader = Self { connection, snapshot: "1:1:".to_owned() };
        reader.changes().await;
        reader
    }

    /// Returns the changes since the last call, sorted.
    async fn changes(&mut self) -> Vec<String> {
        let sql =
            "SELECT CAST(pg_current_snapshot() AS TEXT), ARRAY(SELECT changed FROM auth_changes
            WHERE NOT pg_visible_in_snapshot(xact, CAST($1 AS pg_snapshot)) ORDER BY changed)";
        let read = sqlx::query_as(sql).bind(&self.snapshot).fetch_one(&mut self.connection);
        let changed;
        (self.snapshot, changed) = read.await.unwrap();
        changed
    }
}

/// Returns a migrated schema, and a reader of its changes.
async fn migrated() -> (Database, PgStore, ChangeReader) {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    let reader = ChangeReader::at(&database).await;
    (database, store, reader)
}

#[tokio::test]
async fn changes_by_hand_are_reported() {
    let (database, store, mut reader) = migrated().await;
    database.run(ROWS).await;
    reader.changes().await;
    for (change, expected) in [
        ("UPDATE auth_sessions SET access_expires_at = 0", "sone"),
        ("UPDATE auth_sessions SET access_hash = 'b'", "sone"),
        ("UPDATE auth_sessions SET previous_access_hash = 'p'", "sone"),
        ("UPDATE auth_sessions SET previous_access_expires_at = 5", "sone"),
        ("UPDATE auth_sessions SET access_hash = 'c', generation = 7", "sone"),
        ("UPDATE auth_sessions SET expires_at = 0", "sone"),
        ("UPDATE auth_sessions SET user_id = 'bob'", "sone"),
        ("UPDATE auth_sessions SET factors = '[1]'", "sone"),
        ("UPDATE auth_sessions SET id = 'two'", "sone"),
        ("DELETE FROM auth_sessions", "stwo"),
        ("TRUNCATE auth_sessions", "*"),
        ("UPDATE auth_users SET roles = '[\"admin\"]'", "uada"),
        ("DELETE FROM auth_users", "uada"),
        ("TRUNCATE auth_users", "*"),
        ("UPDATE auth_standing SET status = 'active'", "ueve"),
        ("TRUNCATE auth_standing", "*"),
        ("UPDATE auth_api_keys SET scopes = '[1]'", "skey"),
        ("UPDATE auth_api_keys SET expires_at = 1, last_used_at = 2", "skey"),
        ("DELETE FROM auth_api_keys", "skey"),
        ("TRUNCATE auth_api_keys", "*"),
        ("SELECT auth_user_changed('joe')", "ujoe"),
        ("SELECT auth_user_changed(NULL)", "*"),
    ] {
        database.run(change).await;
        assert_eq!(reader.changes().await, [expected], "{change}");
    }
    store.close().await;
    database.remove().await;
}

/// Replicated rows are written with this role setting.
#[tokio::test]
async fn replicated_changes_are_reported() {
    let (database, store, mut reader) = migrated().await;
    for (change, expected) in [
        ("UPDATE auth_sessions SET access_expires_at = 0", "sone"),
        ("DELETE FROM auth_sessions", "sone"),
        ("TRUNCATE auth_sessions", "*"),
        ("UPDATE auth_users SET roles = '[\"admin\"]'", "uada"),
        ("TRUNCATE auth_users", "*"),
        ("UPDATE auth_standing SET status = 'active'", "ueve"),
        ("TRUNCATE auth_standing", "*"),
    ] {
        database.run("TRUNCATE auth_sessions, auth_users, auth_standing, auth_api_keys").await;
        database.run(ROWS).await;
        reader.changes().await;
        database.run(&format!("SET session_replication_role = replica; {change}")).await;
        assert_eq!(reader.changes().await, [expected], "{change}");
    }
    store.close().await;
    database.remove().await;
}

/// The mapped columns, as arguments of the trigger.
const MAPPED: &str = "'account_id', 'mail', 'confirmed_at', 'phone', 'phone_confirmed_at', 'login',
    'login_skeleton', 'full_name', 'picture', 'org', 'guest', 'roles', 'scopes', 'facts', 'state',
    'about', 'internal', 'born', 'touched', 'plan', 'seats'";

/// Returns the triggers of the guide, limited to the mapped columns.
fn selective() -> String {
    TOLD.replacen("'account_id'", MAPPED, 1)
}

#[tokio::test]
async fn update_of_unmapped_columns_is_not_reported() {
    let (database, store, mut reader) = migrated().await;
    database.run(ACCOUNTS_POSTGRES).await;
    database.run("ALTER TABLE accounts ADD visits BIGINT NOT NULL DEFAULT 0").await;
    database.run(&selective()).await;
    let [one, two] =
        ["0191f0c0-0000-7000-8000-000000000001", "0191f0c0-0000-7000-8000-000000000002"];
    database.run(&format!("INSERT INTO accounts (account_id) VALUES ('{one}')")).await;
    reader.changes().await;
    let (first, second) = (format!("u{one}"), format!("u{two}"));
    for (change, notified) in [
        ("SET visits = visits + 1", &[][..]),
        ("SET roles = roles, mail = NULL", &[]),
        ("SET roles = '{admin}'", &[&first]),
        ("SET roles = '{admin}', visits = 0", &[]),
        ("SET about = '{\"a\": 1}'", &[&first]),
        ("SET about = NULL, mail = 'ada@example.com'", &[&first]),
        ("SET state = 'banned', visits = 7", &[&first]),
        (&*format!("SET account_id = '{two}'"), &[&first, &second]),
    ] {
        database.run(&format!("UPDATE accounts {change}")).await;
        assert_eq!(reader.changes().await.iter().collect::<Vec<_>>(), notified, "{change}");
    }
    database.run("DELETE FROM accounts").await;
    assert_eq!(reader.changes().await, [second]);
    // The same applies to our own tables.
    database.run(ROWS).await;
    reader.changes().await;
    database.run("UPDATE auth_users SET roles = roles").await;
    database.run("UPDATE auth_standing SET status = status").await;
    database.run("UPDATE auth_api_keys SET last_used_at = 7").await;
    assert_eq!(reader.changes().await, [""; 0]);
    store.close().await;
    database.remove().await;
}

/// Thousands of single notifications would make a node drop its whole cache anyway.
#[tokio::test]
async fn many_rows_in_one_transaction_invalidate_everything() {
    let (database, store, mut reader) = migrated().await;
    let users = "INSERT INTO auth_users (id, is_anonymous, roles, scopes, attributes, status,
            user_metadata, app_metadata, created_at, updated_at)
        SELECT 'user' || i, 0, '[]', '[]', '{}', 'active', '{}', '{}', 0, 0
        FROM generate_series(1, 11000) AS i;
        INSERT INTO auth_sessions (id, user_id, nonce, salt, generation, lineage_hash, refresh_hash,
            access_hash, access_expires_at, refresh_expires_at, expires_at, created_at, last_seen_at,
            factors, transport)
        SELECT 'session' || i, 'user' || i, 'n', 's', 0, 'l', 'r', 'a', 10, 20, 30, 0, 0, '[]', 'bearer'
        FROM generate_series(1, 11000) AS i";
    database.run(users).await;
    assert_eq!(reader.changes().await, [""; 0]);
    let few = "UPDATE auth_users SET updated_at = updated_at + 1 WHERE id = 'user7'";
    for (change, most) in [
        ("UPDATE auth_users SET roles = '[2]'", 10_001),
        ("DELETE FROM auth_sessions", 10_001),
        (
            "BEGIN; SAVEPOINT s; UPDATE auth_users SET roles = '[3]'; RELEASE s;
            UPDATE auth_users SET roles = '[4]'; COMMIT",
            10_001,
        ),
    ] {
        database.run(change).await;
        let changes = reader.changes().await;
        assert_eq!(changes.len(), most, "{change}");
        assert_eq!(changes.iter().filter(|what| *what == "*").count(), 1, "{change}");
        database.run(few).await;
        assert_eq!(reader.changes().await, ["uuser7"], "the next transaction");
    }
    // Changes that were rolled back are neither counted nor reported.
    let back = "BEGIN; SAVEPOINT s; UPDATE auth_users SET roles = '[5]'; ROLLBACK TO s;
        UPDATE auth_users SET roles = '[6]' WHERE id = 'user8'; COMMIT";
    database.run(back).await;
    assert_eq!(reader.changes().await, ["uuser8"]);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn sweeping_expired_sessions_reports_no_change() {
    let (database, store, mut reader) = migrated().await;
    let here = node(store.clone(), UserStorage::managed()).await;
    here.person("ada").await;
    here.person("bob").await;
    reader.changes().await;
    assert_eq!(SessionStore::sweep(&store, Timestamp::MAX, 1).await.unwrap(), 1);
    assert_eq!(reader.changes().await, [""; 0]);
    let key = "INSERT INTO auth_api_keys (id, hash, user_id, name, hint, scopes, created_at,
        expires_at) VALUES ('key', 'h', 'ada', 'n', '', '[]', 0, 1)";
    database.run(key).await;
    assert_eq!(KeyStore::sweep_keys(&store, Timestamp::MAX, 1).await.unwrap(), 1);
    assert_eq!(reader.changes().await, [""; 0], "nor sweeping expired keys");
    database.run("DELETE FROM auth_sessions").await;
    assert_eq!(reader.changes().await.len(), 1, "by hand");
    store.close().await;
    database.remove().await;
}

/// Transactions commit in another order than they began.
#[tokio::test]
async fn change_of_a_long_transaction_is_read_when_it_commits() {
    let (database, store, _reader) = migrated().await;
    let here = node(store.clone(), UserStorage::managed()).await;
    let (ada, token) = here.person("ada").await;
    let (bob, others) = here.person("bob").await;
    let mut long = PgConnection::connect(&database.url()).await.unwrap();
    let change = format!("BEGIN; UPDATE auth_users SET roles = '[\"admin\"]' WHERE id = '{ada}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&mut long).await.unwrap();
    for round in 0..3 {
        here.until_cached(&token, || store.statements()).await;
        here.until_cached(&others, || store.statements()).await;
        let roles = format!("round{round}");
        database
            .run(&format!("UPDATE auth_users SET roles = '[\"{roles}\"]' WHERE id = '{bob}'"))
            .await;
        here.until_status(&others, 200, &[&roles]).await;
        sweep_after_a_minute(&database, &store).await;
    }
    here.until_cached(&token, || store.statements()).await;
    sqlx::raw_sql("COMMIT").execute(&mut long).await.unwrap();
    here.until_status(&token, 200, &["admin"]).await;
    store.close().await;
    database.remove().await;
}

async fn sweep_after_a_minute(database: &Database, store: &PgStore) {
    let earlier = "UPDATE auth_change_epoch SET next_since = next_since - INTERVAL '1 minute'";
    database.run(earlier).await;
    store.sweep_changes(1000).await.unwrap();
}

#[tokio::test]
async fn sweep_deletes_changes_that_were_committed_a_minute_ago() {
    let (database, store, _reader) = migrated().await;
    let count = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_changes";
    for _ in 0..3 {
        database.run("SELECT auth_user_changed('ada')").await;
    }
    for _ in 0..3 {
        assert_eq!(store.sweep_changes(1000).await.unwrap(), 0);
        assert_eq!(database.text(count).await, "3");
    }
    // Transactions of other tests that are still running delay it.
    while database.text(count).await != "0" {
        sweep_after_a_minute(&database, &store).await;
        sleep(Duration::from_millis(5)).await;
    }
    sweep_after_a_minute(&database, &store).await;
    database.run("SELECT auth_user_changed('bob')").await;
    sweep_after_a_minute(&database, &store).await;
    assert_eq!(database.text(count).await, "1", "it may be younger than the last poll");
    // The sweep of the application deletes them too.
    let here = node(store.clone(), UserStorage::managed()).await;
    while database.text(count).await != "0" {
        let earlier = "UPDATE auth_change_epoch SET next_since = next_since - INTERVAL '1 minute'";
        database.run(earlier).await;
        assert_eq!(here.auth.sweep().await.unwrap(), 0, "records of changes are not counted");
        sleep(Duration::from_millis(5)).await;
    }
    // A record from a table that was copied from another server.
    database.run("INSERT INTO auth_changes VALUES ('1000000000000', 'uada')").await;
    assert_eq!(store.sweep_changes(1000).await.unwrap(), 1);
    store.close().await;
    database.remove().await;
}

/// The table is empty after a crash, and from another server after a failover.
#[tokio::test]
async fn lost_changes_invalidate_everything() {
    let (database, store, _reader) = migrated().await;
    let here = node(store.clone(), UserStorage::managed()).await;
    for lost in [
        "TRUNCATE auth_changes, auth_change_epoch",
        "TRUNCATE auth_changes; UPDATE auth_change_epoch SET epoch = 'another'",
        // Rows of this transaction are removed, so the first that may be left is one of the next.
        "TRUNCATE auth_changes; UPDATE auth_change_epoch SET removed_below = CAST(CAST(
            CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + 1 AS TEXT) AS xid8)",
    ] {
        let (_, token) = here.person(&format!("ada{}", lost.len())).await;
        here.until_cached(&token, || store.statements()).await;
        let gone = format!("BEGIN; DELETE FROM auth_sessions; {lost}; COMMIT");
        database.run(&gone).await;
        here.until_status(&token, 401, &[]).await;
    }
    store.close().await;
    database.remove().await;
}

/// The role may write to the application's table but not to ours.
#[tokio::test]
async fn changes_by_a_role_without_rights_on_our_tables_are_reported() {
    let (database, store, mut reader) = migrated().await;
    let name = schema(&database);
    database.run(&format!("{ACCOUNTS_POSTGRES}; {TOLD}")).await;
    let id = "0191f0c0-0000-7000-8000-000000000001";
    database.run(&format!("INSERT INTO accounts (account_id) VALUES ('{id}')")).await;
    reader.changes().await;
    let change = format!(
        "CREATE ROLE {name}_app; GRANT USAGE ON SCHEMA {name} TO {name}_app;
        GRANT SELECT, UPDATE ON {name}.accounts TO {name}_app;
        SET ROLE {name}_app; UPDATE {name}.accounts SET roles = '{{admin}}';
        RESET ROLE; DROP OWNED BY {name}_app; DROP ROLE {name}_app"
    );
    execute(&change).await;
    assert_eq!(reader.changes().await, [format!("u{id}")]);
    store.close().await;
    database.remove().await;
}

/// Frequent updates would wake every node up without need.
#[tokio::test]
async fn session_use_and_refresh_are_not_reported() {
    let (database, store, mut reader) = migrated().await;
    let here = node(store.clone(), UserStorage::managed()).await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
    let mut made = here.app.client().post("/auth/sign-up", &body).await.json();
    for generation in 0..3 {
        let body = json!({ "refresh_token": made["tokens"]["refresh_token"] });
        let answer = here.app.client().post("/auth/refresh", &body).await;
        assert_eq!(answer.status, 200, "{generation}");
        made["tokens"] = answer.json()["tokens"].clone();
        assert_eq!(here.status(made["tokens"]["access_token"].as_str().unwrap()).await, 200);
    }
    let id = token_id(made["tokens"]["access_token"].as_str().unwrap());
    store.touch(&[id], Timestamp::MAX, Timestamp::MAX).await.unwrap();
    store.confirm(id, 3, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(database.text("SELECT generation::text FROM auth_sessions").await, "3");
    assert_eq!(reader.changes().await, [""; 0]);
    assert!(store.delete(id).await.unwrap());
    assert_eq!(reader.changes().await, [format!("s{id}")]);
    store.close().await;
    database.remove().await;
}

/// One node migrates with a search path that begins with the schema of its role. Another node and
/// a console session use a role that has such a schema.
#[tokio::test]
async fn changes_are_reported_between_two_roles() {
    let database = Database::fresh(On::Postgres).await;
    let name = schema(&database);
    let by_user = database.url().replace(&format!("={name}"), &format!("=%22$user%22,{name}"));
    let one = PgStore::connect(&by_user).await.unwrap();
    let made = format!(
        "CREATE ROLE {name}_role; CREATE SCHEMA {name}_role AUTHORIZATION {name}_role;
        GRANT ALL ON SCHEMA {name} TO {name}_role;
        GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {name}_role"
    );
    execute(&made).await;
    let two = PgStore::connect(&format!("{}&options[role]={name}_role", database.url())).await;
    let two = two.unwrap();
    let here = node(one.clone(), UserStorage::managed()).await;
    let there = node(two.clone(), UserStorage::managed()).await;
    let (ada, token) = here.person("ada").await;
    let (bob, others) = there.person("bob").await;
    here.until_cached(&token, || one.statements()).await;
    there.until_cached(&others, || two.statements()).await;
    there.auth.users().edit(&ada, |user| user.roles = vec!["admin".to_owned()]).await.unwrap();
    here.until_status(&token, 200, &["admin"]).await;
    here.auth.users().edit(&bob, |user| user.roles = vec!["admin".to_owned()]).await.unwrap();
    there.until_status(&others, 200, &["admin"]).await;
    here.until_cached(&token, || one.statements()).await;
    there.until_cached(&others, || two.statements()).await;
    let by_hand = format!("{by_user}&options[role]={name}_role");
    let pool = sqlx::PgPool::connect(&by_hand).await.unwrap();
    pool.execute("DELETE FROM auth_sessions").await.unwrap();
    here.until_status(&token, 401, &[]).await;
    there.until_status(&others, 401, &[]).await;
    pool.close().await;
    for store in [one, two] {
        store.close().await;
    }
    execute(&format!("DROP OWNED BY {name}_role; DROP ROLE {name}_role")).await;
    database.remove().await;
}

/// The application uses its own schema, and its search path does not contain ours.
#[tokio::test]
async fn table_in_another_schema_reports_to_our_schema() {
    let (database, store, mut reader) = migrated().await;
    let name = schema(&database);
    let apart = format!("CREATE SCHEMA {name}_app; SET search_path = {name}_app;");
    execute(&format!("{apart} {ACCOUNTS_POSTGRES}")).await;
    let table = format!("{name}_app.accounts");
    database.run(&TOLD.replace("ON accounts", &format!("ON {table}"))).await;
    let mapped = UserTable::new(&table).id("account_id").email("mail").roles("roles");
    assert_eq!(store.over_table(&mapped).await.unwrap().keeping(), CacheScope::UserStorage);
    let users = UserStorage::mapped(&store, mapped).await.unwrap();
    let here = node(store.clone(), users).await;
    let (ada, token) = here.person("ada").await;
    here.until_cached(&token, || store.statements()).await;
    reader.changes().await;
    let path = format!("SET search_path = {name}_app;");
    execute(&format!("{path} UPDATE accounts SET roles = '{{admin}}'")).await;
    assert_eq!(reader.changes().await, [format!("u{ada}")]);
    here.until_status(&token, 200, &["admin"]).await;
    here.until_cached(&token, || store.statements()).await;
    execute(&format!("{path} TRUNCATE accounts")).await;
    assert_eq!(reader.changes().await, ["*"]);
    here.until_status(&token, 401, &[]).await;
    store.close().await;
    execute(&format!("DROP SCHEMA {name}_app CASCADE")).await;
    database.remove().await;
}

/// If any change of a table would not be reported, its users are not cached.
#[tokio::test]
async fn mapped_table_is_cached_only_if_all_changes_are_reported() {
    let (database, store, _reader) = migrated().await;
    database.run(ACCOUNTS_POSTGRES).await;
    let is_kept = async || {
        let mapped = store.over_table(&accounts()).await.unwrap();
        mapped.keeping() == CacheScope::UserStorage
    };
    let without = "DROP TRIGGER IF EXISTS told ON accounts;
        DROP TRIGGER IF EXISTS told_when_emptied ON accounts; DROP TABLE IF EXISTS child;";
    let (row, id) = ("FOR EACH ROW EXECUTE FUNCTION auth_user_told", "('account_id')");
    let emptied = &TOLD[TOLD.find(';').unwrap()..];
    let instead = |trigger: String| format!("CREATE TRIGGER told {trigger} {emptied}");
    for (name, tells, triggers) in [
        ("as in the guide", true, TOLD.to_owned()),
        ("always", true, format!("{TOLD}; ALTER TABLE accounts ENABLE ALWAYS TRIGGER told")),
        ("more", true, instead(format!("AFTER INSERT OR UPDATE OR DELETE ON accounts {row}{id}"))),
        ("with the mapped columns", true, selective()),
        ("without one of them", false, selective().replace(", 'seats'", "")),
        ("with more of them", true, selective().replace("'seats'", "'seats', 'visits'")),
        ("none", false, String::new()),
        ("not when emptied", false, TOLD[..TOLD.find(';').unwrap()].to_owned()),
        ("only when emptied", false, emptied[1..].to_owned()),
        ("no deletion", false, instead(format!("AFTER UPDATE ON accounts {row}{id}"))),
        ("no update", false, instead(format!("AFTER DELETE ON accounts {row}{id}"))),
        (
            "some columns",
            false,
            instead(format!("AFTER UPDATE OF state OR DELETE ON accounts {row}{id}")),
        ),
        (
            "under a condition",
            false,
            instead(format!(
                "AFTER UPDATE OR DELETE ON accounts FOR EACH ROW WHEN (OLD.seats > 1)
                EXECUTE FUNCTION auth_user_told{id}"
            )),
        ),
        ("too early", false, instead(format!("BEFORE UPDATE OR DELETE ON accounts {row}{id}"))),
        (
            "not each row",
            false,
            instead(format!(
                "AFTER UPDATE OR DELETE ON accounts FOR EACH STATEMENT
                EXECUTE FUNCTION auth_user_told{id}"
            )),
        ),
        ("no ID", false, instead(format!("AFTER UPDATE OR DELETE ON accounts {row}()"))),
        ("another ID", false, instead(format!("AFTER UPDATE OR DELETE ON accounts {row}('mail')"))),
        (
            "another function",
            false,
            instead(
                "AFTER UPDATE OR DELETE ON accounts FOR EACH ROW
                EXECUTE FUNCTION auth_session_told()"
                    .to_owned(),
            ),
        ),
        ("disabled", false, format!("{TOLD}; ALTER TABLE accounts DISABLE TRIGGER told")),
        (
            "disabled when emptied",
            false,
            format!("{TOLD}; ALTER TABLE accounts DISABLE TRIGGER told_when_emptied"),
        ),
        (
            "only for replicated rows",
            false,
            format!("{TOLD}; ALTER TABLE accounts ENABLE REPLICA TRIGGER told"),
        ),
        ("a child", false, format!("{TOLD}; CREATE TABLE child () INHERITS (accounts)")),
    ] {
        database.run(&format!("{without} {triggers}")).await;
        assert_eq!(is_kept().await, tells, "{name}");
    }
    store.close().await;
    database.remove().await;
}

/// Emptying and detaching a partition is not reported.
#[tokio::test]
async fn partitioned_table_is_not_cached() {
    let (database, store, _reader) = migrated().await;
    let made = "CREATE TABLE parts (mail TEXT PRIMARY KEY) PARTITION BY HASH (mail);";
    let told = TOLD.replace("accounts", "parts").replace("account_id", "mail");
    let part = "CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)";
    let table = UserTable::new("parts").id("mail").email("mail");
    for sql in [format!("{made} {told}"), part.to_owned()] {
        database.run(&sql).await;
        assert_eq!(store.over_table(&table).await.unwrap().keeping(), CacheScope::Nothing);
    }
    store.close().await;
    database.remove().await;
}

/// A UUID or a number has several spellings, and all invalidate the same user.
async fn assert_spelling_is_the_same_user(
    database: &Database,
    store: impl Store + Clone,
    made: &str,
    spell: fn(&str) -> String,
) {
    database.run(made).await;
    let table = UserTable::new("people").id("id").email("mail");
    let mapped = store.over_table(&table).await.unwrap();
    let here = node(store.clone(), UserStorage::mapped(&store, table).await.unwrap()).await;
    let (ada, token) = here.person("ada").await;
    let other = UserId::new(spell(ada.as_str()));
    assert_ne!(other, ada);
    let changes = store.changes();
    let users = here.auth.users();

    let reading = valid_reading(&changes, &ada).await;
    users.edit(&other, |_| ()).await.unwrap();
    assert!(changes.may_be_stale(&reading), "an edit");

    let reading = valid_reading(&changes, &ada).await;
    users.notify_changed(&other).await.unwrap();
    assert!(changes.may_be_stale(&reading), "an external change");

    let reading = valid_reading(&changes, &ada).await;
    let [from, to] = ["ada@example.com", "eve@example.com"].map(|mail| Email::parse(mail).unwrap());
    let edit = |user: &mut authlayer::User| {
        let same = user.email.as_ref() == Some(&from);
        user.email = Some(to.clone());
        user.email_verified_at = Some(Timestamp::UNIX_EPOCH);
        same
    };
    let changed = mapped.edit_user(&other, &edit, None).await.unwrap();
    assert!(matches!(changed, EditOutcome::Done(_)), "{changed:?}");
    assert!(changes.may_be_stale(&reading), "another email");
    let standing = "SELECT user_id FROM auth_standing WHERE email_verified_at IS NOT NULL";
    assert_eq!(database.text(standing).await, ada.as_str());

    let reading = valid_reading(&changes, &ada).await;
    assert_eq!(here.status(&token).await, 200);
    users.delete(&other).await.unwrap();
    assert!(changes.may_be_stale(&reading), "a deletion");
    for table in ["auth_sessions", "auth_credentials", "auth_standing"] {
        let left = database.text(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
        assert_eq!(left, "0", "{table}");
    }
    assert_eq!(here.status(&token).await, 401);
}

/// Returns a valid reading of a user, once there is a lease.
async fn valid_reading(
    changes: &InvalidationClock,
    user: &UserId,
) -> authlayer::store::ReadVersion {
    let nobodys = SessionId::from_bytes([7; 16]);
    for _ in 0..500 {
        let reading = changes.version_of(changes.start_read(), nobodys, user);
        if changes.is_current(&reading, changes.now()) {
            return reading;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("no reading is ever valid");
}

#[tokio::test]
async fn user_id_in_another_spelling_is_the_same_user() {
    let file = Database::fresh(On::Sqlite).await;
    let store = SqliteStore::open(file.url().trim_start_matches("sqlite:")).await.unwrap();
    let made = "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, mail TEXT UNIQUE)";
    assert_spelling_is_the_same_user(&file, store.clone(), made, |id| format!("00{id}")).await;
    store.close().await;
    file.remove().await;
    for (made, spell) in [
        (
            "CREATE TABLE people (id BIGSERIAL PRIMARY KEY, mail TEXT UNIQUE)",
            (|id| format!("00{id}")) as fn(&str) -> String,
        ),
        (
            "CREATE TABLE people (id UUID PRIMARY KEY, mail TEXT UNIQUE)",
            (|id| id.to_uppercase()) as fn(&str) -> String,
        ),
    ] {
        let (database, store, _reader) = migrated().await;
        assert_spelling_is_the_same_user(&database, store.clone(), made, spell).await;
        store.close().await;
        database.remove().await;
    }
}

/// A session that the sweeper deletes is removed from the cache, although it has not expired there.
async fn assert_swept_session_is_not_cached(store: impl Store + Clone) {
    let here = node(store.clone(), UserStorage::managed()).await;
    let changes = store.changes();
    let (_, token) = here.person("ada").await;
    let unknown = UserId::new("nobody");
    let reading = changes.version_of(changes.start_read(), token_id(&token), &unknown);
    assert_eq!(store.sweep(Timestamp::UNIX_EPOCH, 100).await.unwrap(), 0);
    assert!(!changes.may_be_stale(&reading));
    assert_eq!(store.sweep(Timestamp::MAX, 100).await.unwrap(), 1);
    assert!(changes.may_be_stale(&reading));
    assert_eq!(here.status(&token).await, 401);
}

#[tokio::test]
async fn swept_session_is_not_cached() {
    assert_swept_session_is_not_cached(SqliteStore::memory().await.unwrap()).await;
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        match on {
            On::Sqlite => {
                let file = database.url().trim_start_matches("sqlite:").to_owned();
                let store = SqliteStore::open(&file).await.unwrap();
                assert_swept_session_is_not_cached(store.clone()).await;
                store.close().await;
            }
            _ => {
                let store = PgStore::connect(&database.url()).await.unwrap();
                assert_swept_session_is_not_cached(store.clone()).await;
                store.close().await;
            }
        }
        database.remove().await;
    }
}

/// Writes of the application on its pool in memory are not reported.
#[tokio::test]
async fn pool_in_memory_disables_the_cache() {
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.unwrap();
    let store = SqliteStore::from_pool(pool.clone()).await.unwrap();
    let here: Node = node(store.clone(), UserStorage::managed()).await;
    let (_, token) = here.person("ada").await;
    let before = store.statements().request;
    assert_eq!((here.status(&token).await, here.status(&token).await), (200, 200));
    assert_eq!(store.statements().request - before, 2);
    pool.execute("DELETE FROM auth_sessions").await.unwrap();
    assert_eq!(here.status(&token).await, 401);
}
