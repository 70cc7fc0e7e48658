//! Lists and searches of an administrator among a million users.

use std::time::Instant;

use authlayer::{
    Admin, Auth, Factor, Password, PgStore, RateLimits, Rule, SessionOptions, SqliteStore,
    Transport, User, UserId,
    clock::{Clock, SystemClock},
    model::ClientInfo,
    store::Store,
    users::UserQuery,
};
use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tower::ServiceExt;

use crate::{grow::sqlite, measure::Failure, postgres};

const FIRST: [&str; 50] = [
    "ada",
    "alan",
    "anita",
    "barbara",
    "blaise",
    "carl",
    "carol",
    "claude",
    "dana",
    "david",
    "dennis",
    "donald",
    "edsger",
    "elena",
    "emmy",
    "erna",
    "evelyn",
    "frances",
    "frank",
    "george",
    "gerda",
    "grace",
    "hedy",
    "helen",
    "ida",
    "irene",
    "james",
    "jean",
    "joan",
    "john",
    "karen",
    "katherine",
    "ken",
    "lena",
    "linus",
    "margaret",
    "maria",
    "mary",
    "niklaus",
    "nora",
    "olga",
    "paul",
    "radia",
    "rosa",
    "ruth",
    "sophie",
    "stella",
    "tim",
    "ulla",
    "wanda",
];
const LAST: [&str; 40] = [
    "allen",
    "babbage",
    "backus",
    "bartik",
    "borg",
    "boole",
    "church",
    "clarke",
    "curie",
    "dijkstra",
    "easley",
    "estrin",
    "floyd",
    "gauss",
    "goedel",
    "goldberg",
    "hamilton",
    "hopper",
    "jackson",
    "johnson",
    "keller",
    "kernighan",
    "knuth",
    "lamarr",
    "lamport",
    "liskov",
    "lovelace",
    "meitner",
    "moore",
    "noether",
    "perlman",
    "ritchie",
    "shannon",
    "snyder",
    "thompson",
    "turing",
    "vaughan",
    "wilson",
    "wolff",
    "yao",
];

/// The ids of generated users are in the order of their creation, as those of this crate are.
fn id(number: usize) -> String {
    format!("0191f0c0-0000-7000-8000-{number:012x}")
}

fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 12_345_usize;
    move |below| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// Inserts users by one statement of the database. One in a hundred is an editor, and one in a
/// thousand is disabled; half of them have a username.
pub async fn fill(users: usize) -> Result<(), Failure> {
    let now = SystemClock.now().as_millisecond();
    let is_sqlite = sqlite().is_some();
    let among = |names: &[&str], at: &str| match is_sqlite {
        true => format!("json_extract('{}', '$[' || ({at}) || ']')", serde_json::json!(names)),
        false => format!("(ARRAY['{}'])[1 + CAST({at} AS INT)]", names.join("','")),
    };
    let (first, last) = (among(&FIRST, "n * 7919 % 50"), among(&LAST, "n / 50 * 31 % 40"));
    let (hex, source) = match is_sqlite {
        true => (
            "printf('%012x', n)",
            format!(
                "(WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n + 1 < {users}) SELECT n FROM g)"
            ),
        ),
        false => (
            "lpad(to_hex(n), 12, '0')",
            format!("generate_series(0, CAST({users} - 1 AS BIGINT)) n"),
        ),
    };
    let capital = |name: &str| format!("upper(substr({name}, 1, 1)) || substr({name}, 2)");
    let sql = format!(
        "INSERT INTO auth_users (id, email, username, display_name, is_anonymous, roles, scopes,
            attributes, status, user_metadata, app_metadata, created_at, updated_at)
        SELECT '0191f0c0-0000-7000-8000-' || {hex}, first || '.' || last || n || '@example.com',
            CASE n % 2 WHEN 0 THEN first || '_' || last || n END, {} || ' ' || {}, 0,
            CASE n % 100 WHEN 0 THEN '[\"editor\"]' ELSE '[]' END, '[]', '{{}}',
            CASE n % 1000 WHEN 7 THEN 'disabled' ELSE 'active' END, '{{}}', '{{}}',
            {now} - ({users} - n) * 1000, {now}
        FROM (SELECT n, {first} AS first, {last} AS last FROM {source}) names",
        capital("first"),
        capital("last"),
    );
    match sqlite() {
        Some(file) => {
            SqliteStore::open(&file).await?;
            let options = SqliteConnectOptions::new().filename(&file);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let fast = "PRAGMA cache_size = -2000000; PRAGMA synchronous = OFF";
            sqlx::raw_sql(fast).execute(&mut connection).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        }
        None => {
            PgStore::connect(&postgres()?).await?;
            let mut connection = PgConnection::connect(&postgres()?).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            for table in ["VACUUM ANALYZE auth_users", "VACUUM ANALYZE auth_user_roles"] {
                sqlx::raw_sql(table).execute(&mut connection).await?;
            }
        }
    }
    Ok(())
}

fn auth(store: impl Store) -> Result<Auth, Failure> {
    Ok(Auth::builder(store)
        .origin("http://localhost:3000")
        .session_options(SessionOptions::default().max_per_user(None))
        .rate_limits(RateLimits::disabled())
        .flow(Password::new())
        .flow(Admin::new(Rule::role("admin")))
        .build()?)
}

/// Measures `GET /auth/admin/users`, with everything that the response contains, and prints a line
/// of JSON for each kind of query.
pub async fn lists(users: usize, times: usize) -> Result<(), Failure> {
    let auth = match sqlite() {
        Some(file) => auth(SqliteStore::open(file).await?)?,
        None => auth(PgStore::connect(&postgres()?).await?)?,
    };
    let name = format!("admin-{}", std::process::id());
    let mut admin = User::new(UserId::new(name), SystemClock.now());
    admin.roles = vec!["admin".to_owned()];
    let admin = auth.users().create(&admin).await?;
    let (how, client) = (Factor::Password, ClientInfo::default());
    let issued = auth.sessions().create(&admin, how, Transport::Bearer, client).await?;
    let bearer = format!("Bearer {}", issued.access.expose());
    let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());

    let all = cursors(&auth, UserQuery::new()).await?;
    let editors = cursors(&auth, UserQuery::new().role("editor")).await?;
    let broad = cursors(&auth, UserQuery::new().search("a")).await?;
    let pick = |cursors: &[String], at: usize| {
        cursors.get(at % cursors.len()).cloned().unwrap_or_default()
    };
    type Query<'a> = Box<dyn Fn(&mut dyn FnMut(usize) -> usize) -> String + 'a>;
    let first = |next: &mut dyn FnMut(usize) -> usize| FIRST[next(FIRST.len())];
    let last = |next: &mut dyn FnMut(usize) -> usize| LAST[next(LAST.len())];
    let queries: Vec<(&str, Query<'_>)> = vec![
        ("first page", Box::new(|_| String::new())),
        ("any page, by cursor", Box::new(|next| format!("cursor={}", pick(&all, next(1 << 20))))),
        ("role, first page", Box::new(|_| "role=editor".to_owned())),
        (
            "role, any page",
            Box::new(|next| format!("role=editor&cursor={}", pick(&editors, next(1 << 20)))),
        ),
        ("status disabled", Box::new(|_| "status=disabled".to_owned())),
        (
            "email address, of 1 user",
            Box::new(|next| {
                let number = next(users);
                let (first, last) = (FIRST[number * 7919 % 50], LAST[number / 50 * 31 % 40]);
                format!("query={first}.{last}{number}%40")
            }),
        ),
        (
            "email address, of 500 users",
            Box::new(|next| format!("query={}.{}", first(next), last(next))),
        ),
        ("email address, of 20,000 users", Box::new(|next| format!("query={}.", first(next)))),
        ("email address, a letter", Box::new(|next| format!("query={}", &first(next)[..1]))),
        (
            "email address, a letter, any page",
            Box::new(|next| format!("query=a&cursor={}", pick(&broad, next(1 << 20)))),
        ),
        ("username", Box::new(|next| format!("query={}_{}", first(next), last(next)))),
        (
            "name, of 500 users",
            Box::new(|next| {
                let (first, last) = (first(next), last(next));
                format!(
                    "query={}{}+{}{}",
                    first[..1].to_uppercase(),
                    &first[1..],
                    last[..1].to_uppercase(),
                    &last[1..]
                )
            }),
        ),
        ("id, of 1 user", Box::new(|next| format!("query={}", id(next(users))))),
        ("id, of 4,096 users", Box::new(|next| format!("query={}", &id(next(users))[..33]))),
        ("id, of all users", Box::new(|_| "query=0191f".to_owned())),
        ("no match", Box::new(|next| format!("query=zz{}", next(1 << 20)))),
    ];
    let mut next = numbers();
    for (what, query) in &queries {
        let mut spent = Vec::with_capacity(times);
        for _ in 0..times {
            let uri = format!("/auth/admin/users?{}", query(&mut next));
            let request = Request::get(uri).header(header::AUTHORIZATION, &bearer);
            let request = request.body(Body::empty())?;
            let began = Instant::now();
            let response = router.clone().oneshot(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("{what}: {}", response.status()).into());
            }
            axum::body::to_bytes(response.into_body(), usize::MAX).await?;
            spent.push(began.elapsed().as_secs_f64() * 1e3);
        }
        spent.sort_by(f64::total_cmp);
        let at = |part: f64| spent[((times - 1) as f64 * part) as usize];
        println!(
            "{}",
            serde_json::json!({ "what": what, "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
        );
    }
    Ok(())
}

/// Returns the cursors of at most 2,000 pages.
async fn cursors(auth: &Auth, query: UserQuery) -> Result<Vec<String>, Failure> {
    let (mut cursors, mut pages) = (Vec::new(), query.clone().limit(500));
    while let Some(cursor) = auth.users().list(&pages).await?.next_cursor {
        cursors.push(cursor.clone());
        if cursors.len() == 2_000 {
            break;
        }
        pages = query.clone().limit(500).cursor(cursor);
    }
    Ok(cursors)
}
