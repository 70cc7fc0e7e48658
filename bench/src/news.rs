//! The time for which a session remains valid in another process after it was revoked here.

use std::time::{Duration, Instant};

use authlayer::{
    Auth, Factor, PgStore, SqliteStore, Transport, User, UserId,
    clock::{Clock, SystemClock},
    crypto::token::AccessToken,
    model::ClientInfo,
};

use crate::{file, measure::Failure, ours, postgres};

/// Returns two nodes on one database.
async fn nodes(name: &str) -> Result<(Auth, Auth), Failure> {
    if name == "postgres" {
        let url = postgres()?;
        let (one, two) = (PgStore::connect(&url).await?, PgStore::connect(&url).await?);
        return Ok((ours::auth(one, true)?, ours::auth(two, true)?));
    }
    let file = file()?;
    let (one, two) = (SqliteStore::open(&file).await?, SqliteStore::open(&file).await?);
    Ok((ours::auth(one, true)?, ours::auth(two, true)?))
}

pub async fn news(name: &str, times: usize) -> Result<(), Failure> {
    let (here, there) = nodes(name).await?;
    let id = UserId::new(format!("news-{}", std::process::id()));
    let user = here.users().create(&User::new(id, SystemClock.now())).await?;
    let mut lasted = Vec::with_capacity(times);
    for number in 0..times {
        let (how, client) = (Factor::Password, ClientInfo::default());
        let begun = here.sessions().create(&user, how, Transport::Bearer, client).await?;
        let token = AccessToken::parse(begun.access.expose()).ok_or("a token")?;
        // Sufficient to cache the session, and at another point of the other node's polling
        // interval each time.
        let until = Instant::now() + Duration::from_micros(50_000 + 997 * (number as u64 % 100));
        while Instant::now() < until {
            there.sessions().verify(&token).await?.valid().ok_or("a valid token")?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        here.sessions().revoke(begun.session.id).await?;
        let ended = Instant::now();
        while there.sessions().verify(&token).await?.is_valid() {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        lasted.push(ended.elapsed());
    }
    lasted.sort_unstable();
    let at = |part: f64| lasted[((times - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!("{}", serde_json::json!({ "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) }));
    Ok(())
}
