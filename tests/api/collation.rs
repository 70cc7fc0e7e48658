//! Databases with the collation of a language, as in most PostgreSQL container images.

use std::time::Duration;

use authlayer::{
    Auth, EventKind, Password, PgStore, UserStorage,
    store::{EventQuery, UserTable},
    testing::TestApp,
};
use axum::Router;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::support::{PASSWORD, execute, server, sign_in, sign_up, unique};

/// Locales that order punctuation before digits; in the second, `lower` maps `I` to a dotless i.
const LOCALES: [&str; 2] = ["en-US", "tr-TR"];

/// A PostgreSQL database with an ICU locale.
pub(crate) struct Collated {
    name: String,
    pub(crate) url: String,
}

impl Collated {
    pub(crate) async fn create(locale: &str) -> Self {
        let name = unique();
        execute(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'
            LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"
        ))
        .await;
        let options: PgConnectOptions = server().parse().unwrap();
        let url = options.database(&name).to_url_lossy().to_string();
        Self { name, url }
    }

    async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn remove(self) {
        execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn serve(auth: &Auth) -> TestApp {
    TestApp::serve(Router::new().nest("/auth", auth.router()).layer(auth.layer())).await
}

#[tokio::test]
async fn audit_log_is_queried_by_index_under_icu_collations() {
    for locale in LOCALES {
        let database = Collated::create(locale).await;
        let store = PgStore::connect_with(&database.url, 2).await.unwrap();
        let auth = Auth::builder(store.clone())
            .origin("http://localhost:3000")
            .flow(Password::new())
            .audit_log(Duration::from_secs(3600))
            .build()
            .unwrap();
        let app = serve(&auth).await;
        assert_eq!(sign_up(&app.client(), "INFO@example.com").await.status, 201);
        assert_eq!(sign_in(&app.client(), "info@example.com", PASSWORD).await.status, 200);
        assert_eq!(sign_in(&app.client(), "info@example.com", "wrong guess").await.status, 401);
        auth.shutdown(Duration::from_secs(60)).await;
        let audit = auth.audit_log().unwrap();
        let all = audit.query(&EventQuery::default(), 100).await.unwrap();
        assert!(!all.is_empty(), "{locale}");
        let mut ids: Vec<_> = all.iter().map(|kept| kept.id.clone()).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        assert!(all.iter().map(|kept| &kept.id).eq(&ids), "{locale}: newest first");
        let mut paged = Vec::new();
        let mut query = EventQuery::default();
        while let Some(event) = audit.query(&query, 1).await.unwrap().pop() {
            query.before = Some(event.id.clone());
            paged.push(event.id);
        }
        assert_eq!(paged, ids, "{locale}");
        let failed = EventQuery::default().kind(EventKind::SignInFailed);
        assert_eq!(audit.query(&failed, 100).await.unwrap().len(), 1, "{locale}");
        store.close().await;
        database.remove().await;
    }
}

/// An index in another collation is corrupt once an upgrade of ICU or glibc changes the order.
#[tokio::test]
async fn indexes_sort_by_bytes_under_icu_collations() {
    let database = Collated::create("en-US").await;
    PgStore::connect_with(&database.url, 1).await.unwrap().close().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let by_language = sqlx::query_scalar::<_, String>(
        "SELECT format('%s (%s)', i.indexrelid::regclass, a.attname)
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
        WHERE a.attcollation NOT IN (0, to_regcollation('pg_catalog.\"C\"'))
        AND starts_with(i.indrelid::regclass::text, 'auth_') ORDER BY 1",
    );
    let by_language = by_language.fetch_all(&mut connection).await.unwrap();
    assert!(by_language.is_empty(), "declare these columns COLLATE \"C\": {by_language:#?}");
    connection.close().await.unwrap();
    database.remove().await;
}

fn people() -> UserTable {
    UserTable::new("people").id("id").email("mail")
}

async fn auth_over_people(pool: &PgPool) -> Auth {
    let store = PgStore::from_pool(pool.clone()).await.unwrap();
    let users = UserStorage::mapped(&store, people()).await.unwrap();
    let builder = Auth::builder(store).origin("http://localhost:3000").users(users);
    builder.flow(Password::new()).build().unwrap()
}

/// Returns the statements with this text that the connection of a pool has prepared, with plans.
async fn plans(pool: &PgPool, text: &str) -> Vec<(String, String)> {
    let mut connection = pool.acquire().await.unwrap();
    let set = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(set).execute(&mut *connection).await.unwrap();
    let prepared = "SELECT name, statement, COALESCE(cardinality(parameter_types), 0)
        FROM pg_prepared_statements WHERE position($1 IN statement) > 0";
    let prepared = sqlx::query(prepared).bind(text).persistent(false);
    let mut plans = Vec::new();
    for row in prepared.fetch_all(&mut *connection).await.unwrap() {
        let count: usize = row.get::<i32, _>(2).try_into().unwrap();
        let parameters = if count == 0 {
            String::new()
        } else {
            format!("({})", vec!["NULL"; count].join(", "))
        };
        let name: String = row.get(0);
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE \"{name}\"{parameters}"));
        let lines = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        plans.push((row.get(1), lines.join("\n")));
    }
    plans
}

#[tokio::test]
async fn mapped_users_of_any_collation_are_found_by_index() {
    for collation in ["", r#"COLLATE "C""#, r#"COLLATE "en-x-icu""#] {
        let database = Collated::create("en-US").await;
        let table = format!(
            "CREATE TABLE people (id TEXT {collation} PRIMARY KEY, mail TEXT {collation});
            CREATE UNIQUE INDEX ON people (lower(mail))"
        );
        database.run(&table).await;
        let pool = PgPoolOptions::new().max_connections(1).connect(&database.url).await.unwrap();
        let auth = auth_over_people(&pool).await;
        let app = serve(&auth).await;
        for email in ["Info@example.com", "ivy@example.com"] {
            let client = app.client();
            assert_eq!(sign_up(&client, email).await.status, 201, "{collation}");
            assert_eq!(client.get("/auth/sessions").await.status, 200, "{collation}");
            assert_eq!(sign_in(&app.client(), email, PASSWORD).await.status, 200, "{collation}");
        }
        assert_eq!(sign_up(&app.client(), "INFO@example.com").await.code(), "email_taken");
        let info = auth.users().find_by_email("info@example.com").await.unwrap().unwrap();
        auth.users().disable(&info.id).await.unwrap();
        assert_eq!(sign_in(&app.client(), "info@example.com", PASSWORD).await.status, 401);
        let plans = plans(&pool, "\"people\"").await;
        assert!(plans.len() > 5, "{plans:#?}");
        for (sql, plan) in plans {
            assert!(!plan.contains("Seq Scan"), "{collation}: {sql}\n{plan}");
        }
        pool.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn mapped_emails_need_an_index_in_collation_c_if_lower_is_turkish() {
    let database = Collated::create("tr-TR").await;
    let table = "CREATE TABLE people (id TEXT PRIMARY KEY, mail TEXT);
        CREATE UNIQUE INDEX people_mail ON people (lower(mail));
        INSERT INTO people VALUES ('1', 'INGRID@example.com')";
    database.run(table).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url).await.unwrap();
    let store = PgStore::from_pool(pool.clone()).await.unwrap();
    let refused = UserStorage::mapped(&store, people()).await.unwrap_err().to_string();
    assert!(refused.contains(r#"lower(mail COLLATE "C")"#), "{refused}");
    let index = r#"DROP INDEX people_mail;
        CREATE UNIQUE INDEX people_mail ON people (lower(mail COLLATE "C"))"#;
    database.run(index).await;
    let auth = auth_over_people(&pool).await;
    let app = serve(&auth).await;
    assert_eq!(sign_up(&app.client(), "ingrid@example.com").await.code(), "email_taken");
    let found = auth.users().find_by_email("ingrid@example.com").await.unwrap().unwrap();
    assert_eq!(found.id.as_str(), "1");
    let plans = plans(&pool, "lower(u.").await;
    assert!(!plans.is_empty());
    for (sql, plan) in plans {
        assert!(plan.contains("people_mail"), "{sql}\n{plan}");
    }
    pool.close().await;
    database.remove().await;
}
