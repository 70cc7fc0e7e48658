//! The same lookup among ten thousand sessions and among ten million.

use std::{fmt::Write, time::Instant};

use authlayer::{
    Auth, Factor, PgStore, SessionId, SqliteStore, Transport,
    clock::{Clock, SystemClock},
    crypto::{
        digest::{Digest, Domain},
        secret::Secret,
        token::AccessToken,
    },
    model::ClientInfo,
};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{measure::Failure, ours, postgres};

/// Rows per COPY or transaction.
const PART: usize = 50_000;
const DAY: i64 = 86_400_000;

fn derived(what: &str, number: usize) -> [u8; 32] {
    Sha256::digest(format!("{what} {number}")).into()
}

pub fn session(number: usize) -> SessionId {
    let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = derived("session", number);
    SessionId::from_bytes(id)
}

pub fn token(number: usize) -> AccessToken {
    let secret = Secret::from_bytes(derived("secret", number));
    AccessToken { session: session(number), generation: 0, secret }
}

/// Returns the user of a session number; there is one user for every ten sessions.
pub fn user(number: usize) -> String {
    format!("0191f0c0-0000-7000-8000-{:012x}", number / 10)
}

fn hash(what: &str, number: usize) -> String {
    Digest::hash(Domain::ACCESS, &derived(what, number)).to_base64()
}

fn user_row(number: usize, now: i64, tab: char) -> String {
    let id = user(number);
    let fields = [
        id.as_str(),
        &format!("{id}@example.com"),
        "0",
        "[\"member\"]",
        "[]",
        "{}",
        "active",
        "{}",
        "{}",
        &now.to_string(),
        &now.to_string(),
    ];
    fields.join(&tab.to_string())
}

fn session_row(number: usize, now: i64, tab: char) -> String {
    let factors = format!("[{{\"method\":\"password\",\"at\":\"{}\"}}]", SystemClock.now());
    let fields = [
        session(number).to_string(),
        user(number),
        hash("nonce", number),
        hash("salt", number),
        "0".to_owned(),
        hash("lineage", number),
        hash("refresh", number),
        hash("secret", number),
        (now + 30 * DAY).to_string(),
        (now + 30 * DAY).to_string(),
        (now + 90 * DAY).to_string(),
        now.to_string(),
        now.to_string(),
        factors,
        "203.0.113.7".to_owned(),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_owned(),
        "bearer".to_owned(),
    ];
    fields.join(&tab.to_string())
}

const USER: &str = "id, email, is_anonymous, roles, scopes, attributes, status, user_metadata, app_metadata, created_at, updated_at";
const SESSION: &str = "id, user_id, nonce, salt, generation, lineage_hash, refresh_hash, access_hash, access_expires_at, refresh_expires_at, expires_at, created_at, last_seen_at, factors, ip, user_agent, transport";

/// Returns the file in BENCH_SQLITE, or `None` for PostgreSQL.
pub fn sqlite() -> Option<String> {
    std::env::var("BENCH_SQLITE").ok()
}

pub async fn fill(sessions: usize) -> Result<(), Failure> {
    let now = SystemClock.now().as_millisecond();
    match sqlite() {
        Some(file) => {
            SqliteStore::open(&file).await?;
            let options = SqliteConnectOptions::new().filename(&file);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            for begin in (0..sessions).step_by(PART) {
                let rows = begin..(begin + PART).min(sessions);
                let mut all = connection.begin().await?;
                for number in rows {
                    if number % 10 == 0 {
                        insert(&mut all, "auth_users", USER, &user_row(number, now, '\u{1f}'))
                            .await?;
                    }
                    insert(&mut all, "auth_sessions", SESSION, &session_row(number, now, '\u{1f}'))
                        .await?;
                }
                all.commit().await?;
            }
        }
        None => {
            PgStore::connect(&postgres()?).await?;
            let mut connection = PgConnection::connect(&postgres()?).await?;
            sqlx::raw_sql("TRUNCATE auth_sessions, auth_users").execute(&mut connection).await?;
            for begin in (0..sessions).step_by(PART) {
                let rows = begin..(begin + PART).min(sessions);
                let users = rows.clone().filter(|number| number % 10 == 0);
                let users = users.fold(String::new(), |mut text, number| {
                    let _ = writeln!(text, "{}", user_row(number, now, '\t'));
                    text
                });
                let sessions = rows.fold(String::new(), |mut text, number| {
                    let _ = writeln!(text, "{}", session_row(number, now, '\t'));
                    text
                });
                for (table, columns, text) in
                    [("auth_users", USER, users), ("auth_sessions", SESSION, sessions)]
                {
                    let copy = format!("COPY {table} ({columns}) FROM STDIN");
                    let mut copy = connection.copy_in_raw(&copy).await?;
                    copy.send(text.as_bytes()).await?;
                    copy.finish().await?;
                }
            }
            for table in ["VACUUM ANALYZE auth_sessions", "VACUUM ANALYZE auth_users"] {
                sqlx::raw_sql(table).execute(&mut connection).await?;
            }
        }
    }
    println!("{sessions} sessions");
    Ok(())
}

/// Runs ANALYZE, as an application may at any time: SQLite counts the rows of the tables, and may
/// choose other query plans afterwards.
pub async fn analyze() -> Result<(), Failure> {
    let options = SqliteConnectOptions::new().filename(sqlite().ok_or("set BENCH_SQLITE")?);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await?;
    let samples =
        sqlx::query("SELECT count(*) FROM sqlite_stat4").fetch_one(&mut connection).await?;
    println!("{}", samples.get::<i64, _>(0));
    Ok(())
}

async fn insert(
    to: &mut SqliteConnection,
    table: &str,
    columns: &str,
    row: &str,
) -> Result<(), Failure> {
    let marks = vec!["?"; columns.split(',').count()].join(", ");
    let sql = sqlx::AssertSqlSafe(format!("INSERT INTO {table} ({columns}) VALUES ({marks})"));
    let mut query = sqlx::query(sql);
    for field in row.split('\u{1f}') {
        query = match field.parse::<i64>() {
            Ok(number) => query.bind(number),
            Err(_) => query.bind(field),
        };
    }
    query.execute(to).await?;
    Ok(())
}

async fn auth(cached: bool) -> Result<Auth, Failure> {
    match sqlite() {
        Some(file) => ours::auth(SqliteStore::open(file).await?, cached),
        None => ours::auth(PgStore::connect(&postgres()?).await?, cached),
    }
}

/// Fetches random sessions, each from the database.
pub async fn miss(sessions: usize, requests: usize) -> Result<(), Failure> {
    let auth = auth(false).await?;
    let mut times = Vec::with_capacity(requests);
    let mut number = 12_345_usize;
    for _ in 0..requests {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let token = token((number >> 33) % sessions);
        let began = Instant::now();
        let found = auth.sessions().verify(&token).await?;
        times.push(began.elapsed());
        found.valid().ok_or("a valid token")?;
    }
    times.sort_unstable();
    let at = |part: f64| times[((requests - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!(
        "{}",
        serde_json::json!({ "sessions": sessions, "p50_us": at(0.5), "p99_us": at(0.99) })
    );
    Ok(())
}

/// Measures twenty concurrent tasks: refreshes of one token, of which one rotates and the others
/// get the same response; refreshes of twenty tokens; and sign-ins of one user.
pub async fn contend(times: usize) -> Result<(), Failure> {
    let auth = auth(true).await?;
    for what in ["refresh", "rotate", "begin"] {
        let mut user = authlayer::User::new(
            authlayer::UserId::new(format!("contend-{what}-{}", std::process::id())),
            SystemClock.now(),
        );
        user.display_name = Some("Ada".to_owned());
        let user = auth.users().create(&user).await?;
        let mut tokens = Vec::new();
        for _ in 0..20 {
            tokens.push(begin(&auth, &user).await?);
        }
        let (mut done, mut spent) = (0, std::time::Duration::ZERO);
        for _ in 0..times {
            if what == "refresh" {
                let token = begin(&auth, &user).await?;
                tokens.iter_mut().for_each(|own| own.clone_from(&token));
            }
            let began = Instant::now();
            let all: Vec<_> = std::mem::take(&mut tokens)
                .into_iter()
                .map(|token| {
                    let (auth, user) = (auth.clone(), user.clone());
                    tokio::spawn(async move {
                        if what == "begin" {
                            return begin(&auth, &user).await;
                        }
                        let (_, issued) = auth.sessions().refresh(&token).await?;
                        Ok(issued.refresh.expose().to_owned())
                    })
                })
                .collect();
            for one in all {
                tokens.push(one.await??);
                done += 1;
            }
            spent += began.elapsed();
        }
        let per_second = f64::from(done) / spent.as_secs_f64();
        println!("{}", serde_json::json!({ "what": what, "per_second": per_second }));
    }
    Ok(())
}

/// Creates a session and returns its refresh token.
async fn begin(auth: &Auth, user: &authlayer::User) -> Result<String, Failure> {
    let (how, client) = (Factor::Password, ClientInfo::default());
    let issued = auth.sessions().create(user, how, Transport::Bearer, client).await?;
    Ok(issued.refresh.expose().to_owned())
}

/// Measures the memory of a cached session.
pub async fn kept(sessions: usize) -> Result<(), Failure> {
    let auth = ours::auth(SqliteStore::memory().await?, true)?;
    let mut tokens = Vec::with_capacity(sessions);
    for person in 0..sessions {
        let text = ours::sign_in(&auth, person).await?;
        tokens.push(AccessToken::parse(&text).ok_or("a token")?);
    }
    let before = resident()?;
    for token in &tokens {
        auth.sessions().verify(token).await?.valid().ok_or("a valid token")?;
    }
    println!("{}", (resident()? - before) / sessions as u64);
    Ok(())
}

fn resident() -> Result<u64, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).ok_or("no statm")?.parse::<u64>()? * 4096)
}
