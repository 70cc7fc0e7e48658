//! The benchmarked programs, each for one core: `serve NAME PORT`, `inprocess NAME`, and the other
//! commands that `bench/run` uses. See README.md.

mod floor;
mod grow;
mod hash;
mod jwt;
mod live;
mod measure;
mod news;
mod ours;
mod users;

use axum::{Router, routing::get};
use measure::{Credentials, Failure};

/// The number of signed-in users.
const PEOPLE: usize = 1000;

fn plain() -> Router {
    Router::new()
        .route("/public", get(async || "ok"))
        .route("/layered", get(async || "ok"))
        .route("/me", get(async || "ok"))
        .route("/guarded", get(async || "ok"))
}

/// Returns the router below a layer that does nothing: the cost that axum adds to any layer.
fn idle() -> Router {
    plain().layer(tower::layer::layer_fn(|inner| inner))
}

async fn contender(name: &str) -> Result<(Router, Credentials), Failure> {
    Ok(match name {
        "plain" => (plain(), vec![("authorization", "Bearer nobody".to_owned())]),
        "idle" => (idle(), vec![("authorization", "Bearer nobody".to_owned())]),
        "jwt-hs256" => jwt::router()?,
        _ if name.starts_with("floor") => floor::router(name).await?,
        _ if name.starts_with("authlayer") => ours::router(name).await?,
        _ => return Err(format!("unknown contender {name}").into()),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name, port] => {
            let (router, credentials) = contender(name).await?;
            measure::serve(router, &credentials, port.parse()?).await
        }
        ["inprocess", name] => {
            let (router, credentials) = contender(name).await?;
            measure::in_process(router, &credentials).await
        }
        ["hash", seconds] => hash::one_at_a_time(seconds.parse()?),
        ["fill", sessions] => grow::fill(sessions.parse()?).await,
        ["news", name, times] => news::news(name, times.parse()?).await,
        ["analyze"] => grow::analyze().await,
        ["miss", sessions, requests] => grow::miss(sessions.parse()?, requests.parse()?).await,
        ["contend", times] => grow::contend(times.parse()?).await,
        ["live", sessions, idle_s, slow_s] => {
            live::live(sessions.parse()?, idle_s.parse()?, slow_s.parse()?).await
        }
        ["slow"] => live::slow().await,
        ["kept", sessions] => grow::kept(sessions.parse()?).await,
        ["fill-users", users] => users::fill(users.parse()?).await,
        ["lists", users, times] => users::lists(users.parse()?, times.parse()?).await,
        _ => Err("serve NAME PORT | inprocess NAME | hash SECONDS | fill N | analyze | miss N TIMES | contend TIMES | kept N | news NAME TIMES | live N IDLE_S SLOW_S | slow | fill-users N | lists N TIMES".into()),
    }
}

/// Returns the path of a new file.
pub fn file() -> Result<String, Failure> {
    let dir = std::env::temp_dir().join(format!("authlayer_bench_{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir.join("bench.db").to_string_lossy().into_owned())
}

/// Returns the URL of the PostgreSQL server that `bench/run` started.
pub fn postgres() -> Result<String, Failure> {
    std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL".into())
}
