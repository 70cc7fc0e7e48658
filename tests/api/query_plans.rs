//! Query plans on large tables: every statement uses an index, and none sorts.
//!
//! The statements are those that the driver logs when they are executed. The log does not name the
//! test, so each of these tests needs its own process, as with nextest.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Mutex, OnceLock},
};

use authlayer::testing::store_conformance_tests;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

use crate::{
    store::open,
    support::{Bed, Database, On},
};

static EXECUTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Statements;

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            event.record(&mut Statement);
        }
    }
}

struct Statement;

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        if ["db.statement", "summary"].contains(&field.name()) && is_relevant(value) {
            EXECUTED.lock().unwrap().insert(without_schema(value.trim()));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Excludes catalog queries and summaries of longer statements.
fn is_relevant(sql: &str) -> bool {
    let begins = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
    let others = [
        "pg_class",
        "pg_namespace",
        "pg_locks",
        "pg_trigger",
        "pg_attribute",
        "pg_index",
        "pg_proc",
        "pg_constraint",
        "sqlite_",
        "pragma_",
        "auth_migrations",
        "row_to_json",
    ];
    begins.iter().any(|word| sql.trim_start().starts_with(word))
        && (sql.contains("auth_") || sql.contains("accounts"))
        && !others.iter().any(|word| sql.contains(word))
        && !sql.ends_with('…')
}

/// A table is named with the schema of one test if the search path does not lead to it.
fn without_schema(sql: &str) -> String {
    let mut parts = sql.split("authlayer_test_");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += part.split_once('.').unwrap().1;
    }
    text
}

pub(crate) fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let subscriber = tracing_subscriber::registry().with(Statements);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

pub(crate) fn executed() -> BTreeSet<String> {
    std::mem::take(&mut *EXECUTED.lock().unwrap())
}

/// Returns the steps of a plan that scan a table or sort.
pub(crate) async fn costs(database: &Database, sql: &str) -> Vec<String> {
    match database {
        Database::File(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.unwrap();
            let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::raw_sql(plan).fetch_all(&mut connection).await.unwrap();
            let steps = rows.iter().map(|row| row.get::<String, _>("detail"));
            let walks = |step: &str| step.starts_with("SCAN") && !is_of_the_list(step);
            steps.filter(|step| walks(step) || step.contains("TEMP B-TREE")).collect()
        }
        Database::Schema { .. } => {
            let mut connection = PgConnection::connect(&database.url()).await.unwrap();
            let mut found = Vec::new();
            walk(&plan(&mut connection, sql).await, &mut found);
            found
        }
    }
}

/// Returns the indexed columns. Their statistics make SQLite read the bound values, and plan a
/// statement again at each execution.
async fn indexed(database: &Database) -> BTreeSet<String> {
    let Database::File(path) = database else { return BTreeSet::new() };
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let columns = "SELECT DISTINCT c.name FROM sqlite_schema t, pragma_index_list(t.name) i,
        pragma_index_info(i.name) c WHERE t.type = 'table' AND c.name IS NOT NULL";
    let rows = sqlx::raw_sql(columns).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get("name")).collect()
}

/// SQLite does not read a parameter in a `CAST`.
fn compares_a_bare_parameter(sql: &str, indexed: &BTreeSet<String>) -> bool {
    if sql.starts_with("INSERT") {
        return false;
    }
    let Some((_, conditions)) = sql.split_once("WHERE") else { return false };
    let words: Vec<&str> = conditions.split_whitespace().collect();
    words.windows(3).any(|words| {
        let column = words[0].rsplit('.').next().unwrap_or_default();
        let column = column.trim_start_matches("lower(").trim_matches(['(', ')', '"']);
        let compares = ["=", "<", "<=", ">", ">="].contains(&words[1]);
        compares && words[2].starts_with('$') && indexed.contains(column)
    })
}

#[test]
fn bare_parameters_are_detected() {
    let indexed = BTreeSet::from(["id".to_owned(), "mail".to_owned()]);
    for (sql, found) in [
        ("SELECT 1 FROM t WHERE id = $1", true),
        ("SELECT 1 FROM t WHERE id = CAST($1 AS TEXT) AND x = $2", false),
        ("SELECT 1 FROM t u WHERE lower(u.\"mail\") = $1", true),
        ("SELECT 1 FROM t WHERE x = $1 AND (u.id > $2 OR x = 1)", true),
        ("UPDATE t SET id = $1 WHERE x = 1", false),
    ] {
        assert_eq!(compares_a_bare_parameter(sql, &indexed), found, "{sql}");
    }
}

/// Returns the generic plan, with the scans that can be avoided disabled.
async fn plan(connection: &mut PgConnection, sql: &str) -> Value {
    let set = "SET enable_seqscan = off; SET enable_sort = off;
        SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(set).execute(&mut *connection).await.unwrap();
    let count = (1..100).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
    let mut types = vec!["unknown"; count];
    loop {
        let of = |words: &[&str]| match words {
            [] => String::new(),
            words => format!("({})", words.join(", ")),
        };
        let asked = AssertSqlSafe(format!(
            "PREPARE asked {} AS {sql}; EXPLAIN (FORMAT JSON) EXECUTE asked {}",
            of(&types),
            of(&vec!["NULL"; count])
        ));
        match sqlx::raw_sql(asked).fetch_all(&mut *connection).await {
            Ok(rows) => {
                let text = rows.last().unwrap().get_unchecked::<String, _>(0);
                return serde_json::from_str::<Value>(&text).unwrap()[0]["Plan"].clone();
            }
            // If PostgreSQL cannot infer the type, it is the type that the crate binds.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P08") => {
                let number = error.message().rsplit('$').next().unwrap().parse::<usize>().unwrap();
                types[number - 1] = "TEXT";
            }
            Err(error) => panic!("{error}: {sql}"),
        }
    }
}

/// Whether a step reads a parameter or the output of a previous step.
fn is_of_the_list(step: &str) -> bool {
    ["json_each", "CONSTANT ROW", "owner", "others"].iter().any(|word| step.contains(word))
}

fn walk(plan: &Value, found: &mut Vec<String>) {
    let node = plan["Node Type"].as_str().unwrap_or_default();
    // This index contains only the requested rows.
    let is_partial = plan["Index Name"] == "auth_api_keys_service";
    let is_whole = node.contains("Index") && plan["Index Cond"].is_null() && !is_partial;
    if node == "Seq Scan" || node.contains("Sort") || is_whole {
        found.push(format!("{node} on {} by {}", plan["Relation Name"], plan["Index Name"]));
    }
    for part in plan["Plans"].as_array().into_iter().flatten() {
        walk(part, found);
    }
}

/// Whether a statement reads a page in the order of an index.
fn is_a_page(sql: &str) -> bool {
    sql.contains("ORDER BY") && sql.contains("LIMIT")
}

/// Runs tests that together use the whole API.
async fn run_the_whole_api(on: On) {
    macro_rules! each {
        ($($file:ident::$test:ident)*) => { $(crate::$file::$test::on(on).await;)* };
    }
    each! {
        anonymous::sign_up_of_an_anonymous_user_keeps_the_id
        api_keys::api_key_authenticates_with_its_scopes_until_revoked
        codes::code_can_be_resent_once_a_minute
        codes::verified_sign_up_claims_an_unverified_account
        codes::remembered_device_skips_the_code
        codes::email_change_requires_verification_and_the_same_session
        codes::wrong_codes_are_rate_limited_by_account
        device_grant::approved_program_gets_a_session
        devices::user_lists_and_revokes_each_session
        devices::expired_session_is_not_listed_and_is_swept
        devices::other_or_all_sessions_are_revoked_immediately
        live::ticket_opens_one_connection
        passkeys::passkey_is_registered_and_signs_in
        passkeys::passkeys_are_listed_renamed_and_removed
        passkeys::new_user_signs_up_with_a_passkey
        refresh::refresh_returns_a_new_token_pair
        refresh::reuse_revokes_only_its_token_family
        reset::reset_sets_a_password_and_revokes_all_sessions
        sessions::last_use_is_written_in_the_background_every_five_minutes
    }
}

async fn run_store_conformance_tests(on: On) {
    for (_, rule) in store_conformance_tests() {
        let database = Database::fresh(on).await;
        rule(open(on, &database.url()).await).await;
        database.remove().await;
    }
}

async fn every_statement_uses_an_index(on: On, mapped: On) {
    listen();
    run_the_whole_api(mapped).await;
    let over_a_table = executed();
    run_the_whole_api(on).await;
    run_store_conformance_tests(on).await;
    crate::audit::audit_log_is_queried(on).await;
    crate::events::events_of_an_actor_are_anonymized(on).await;
    let ours = executed();
    assert!(over_a_table.len() > 40 && ours.len() > 50, "{over_a_table:#?} {ours:#?}");
    let beds =
        [(Bed::new(mapped, json!({})).await, over_a_table), (Bed::new(on, json!({})).await, ours)];
    let mut wrong = Vec::new();
    for (bed, statements) in beds {
        let indexed = indexed(&bed.database).await;
        for sql in statements {
            if compares_a_bare_parameter(&sql, &indexed) {
                wrong.push(format!("{sql}\n    is planned again for each value"));
            }
            let costs = costs(&bed.database, &sql).await;
            let is_walked =
                costs.iter().all(|step| step.contains("Index") || step.contains("INDEX"));
            let is_cheap = costs.is_empty() || is_walked && is_a_page(&sql);
            if !is_cheap {
                wrong.push(format!("{sql}\n    {}", costs.join("\n    ")));
            }
        }
        bed.remove().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn every_statement_uses_an_index_on_sqlite() {
    every_statement_uses_an_index(On::Sqlite, On::SqliteMapped).await;
}

#[tokio::test]
async fn every_statement_uses_an_index_on_postgres() {
    every_statement_uses_an_index(On::Postgres, On::PostgresMapped).await;
}
