//! The cost and the delays of watching many sessions, without the sockets of their connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use authlayer::{Auth, PgStore, SessionWatch, UserId};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::Mutex,
    time::sleep,
};

use crate::{
    grow,
    measure::{Failure, processor_time},
    ours, postgres,
};

/// The number of sessions that are revoked elsewhere, one at a time.
const SINGLE: usize = 40;
/// The number of sessions that are revoked at once.
const MASS: usize = 10_000;

/// Watches `sessions` sessions, whose rows `grow::fill` wrote. Prints a line for each phase, and
/// waits for a line of input before the next one.
pub async fn live(sessions: usize, idle_s: u64, slow_s: u64) -> Result<(), Failure> {
    let elsewhere_url = std::env::var("ELSEWHERE_URL").or_else(|_| postgres())?;
    let here = ours::auth(PgStore::connect(&postgres()?).await?, false)?;
    let elsewhere = ours::auth(PgStore::connect(&elsewhere_url).await?, false)?;
    let before = allocated();
    let mut watched = watch(&here, sessions).await?;
    let bytes = allocated().saturating_sub(before) / sessions as u64;
    // The first queries of all sessions are not part of the idle phase.
    sleep(Duration::from_secs(5)).await;
    step(serde_json::json!({ "phase": "watched", "bytes": bytes }))?;

    let (spent, began) = (processor_time()?, Instant::now());
    sleep(Duration::from_secs(idle_s)).await;
    let share = (processor_time()? - spent) as f64 / began.elapsed().as_nanos() as f64;
    step(serde_json::json!({ "phase": "idle", "percent_of_a_core": share * 100.0 }))?;

    let mut delays = Vec::new();
    for number in 0..SINGLE {
        elsewhere.sessions().revoke(grow::session(number)).await?;
        let began = Instant::now();
        watched[number].ended().await;
        delays.push(began.elapsed());
        sleep(Duration::from_millis(20 + 13 * (number as u64 % 10))).await;
    }
    delays.sort_unstable();
    let at = |part: f64| delays[((SINGLE - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    step(serde_json::json!({ "phase": "single", "p50_ms": at(0.5), "max_ms": at(1.0) }))?;

    let mass = MASS.min(sessions / 4);
    let one = 100..100 + mass;
    let began = Instant::now();
    for users in one.clone().step_by(80) {
        let all = (users..(users + 80).min(one.end)).step_by(10).map(|number| {
            let (elsewhere, user) = (elsewhere.clone(), UserId::new(grow::user(number)));
            tokio::spawn(async move { elsewhere.sessions().revoke_all(&user, None).await })
        });
        for revoked in all.collect::<Vec<_>>() {
            revoked.await??;
        }
    }
    let revoking = began.elapsed();
    let began = Instant::now();
    for live in &mut watched[one] {
        live.ended().await;
    }
    let by_user = began.elapsed().as_secs_f64() * 1e3;
    sleep(Duration::from_secs(2)).await;

    let two = 200 + mass..200 + 2 * mass;
    let mut connection = PgConnection::connect(&elsewhere_url).await?;
    let users: Vec<_> = two.clone().step_by(10).map(grow::user).collect();
    let delete = "DELETE FROM auth_sessions WHERE user_id = ANY($1)";
    sqlx::query(delete).bind(&users).execute(&mut connection).await?;
    let began = Instant::now();
    for live in &mut watched[two.clone()] {
        live.ended().await;
    }
    let at_once = began.elapsed().as_secs_f64() * 1e3;
    step(serde_json::json!({
        "phase": "mass", "sessions": mass, "revoking_ms": revoking.as_secs_f64() * 1e3,
        "by_user_ms": by_user, "at_once_ms": at_once,
    }))?;

    let rest = &watched[two.end..];
    let standing = || rest.iter().filter(|live| live.subject().is_some()).count();
    let first = standing();
    sleep(Duration::from_secs(slow_s)).await;
    step(serde_json::json!({ "phase": "slow", "watched": first, "ended": first - standing() }))?;
    Ok(())
}

async fn watch(auth: &Auth, sessions: usize) -> Result<Vec<SessionWatch>, Failure> {
    let mut watched = Vec::with_capacity(sessions);
    for from in (0..sessions).step_by(8) {
        let some = (from..(from + 8).min(sessions)).map(|number| {
            let auth = auth.clone();
            tokio::spawn(async move { auth.sessions().verify(&grow::token(number)).await })
        });
        for resolved in some.collect::<Vec<_>>() {
            let resolved = resolved.await??.valid().ok_or("a valid token")?;
            watched.push(auth.sessions().watch(&resolved));
        }
    }
    Ok(watched)
}

/// Returns the number of heap bytes in use, according to the allocator of glibc.
fn allocated() -> u64 {
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Mallinfo2 {
        fields: [usize; 10],
    }
    unsafe extern "C" {
        safe fn mallinfo2() -> Mallinfo2;
    }
    // `uordblks` of the main arena, and `hblkhd` for large blocks.
    let [_, _, _, _, large, _, _, used, _, _] = mallinfo2().fields;
    (large + used) as u64
}

/// Prints a measurement, and waits for a line of input.
fn step(measured: serde_json::Value) -> Result<(), Failure> {
    println!("{measured}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Forwards connections to the server of `DATABASE_URL`. Every response is delayed by the factor in
/// the last line of input. Prints the port.
pub async fn slow() -> Result<(), Failure> {
    let url = postgres()?;
    let server = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let (server, factor) = (server.to_owned(), Arc::new(AtomicU32::new(1)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let set = Arc::clone(&factor);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            set.store(line.trim().parse().unwrap_or(1), Relaxed);
        }
        std::process::exit(0);
    });
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(&server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let asked = Arc::new(Mutex::new(Instant::now()));
        tokio::spawn(forward(from_client, to_server, Arc::clone(&asked), None));
        tokio::spawn(forward(from_server, to_client, asked, Some(Arc::clone(&factor))));
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    asked: Arc<Mutex<Instant>>,
    factor: Option<Arc<AtomicU32>>,
) {
    let mut part = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut part).await {
        if let Some(factor) = &factor {
            // Data that a server sends without a query does not respond to a query of that age.
            let took = asked.lock().await.elapsed().min(Duration::from_secs(1));
            sleep(took * (factor.load(Relaxed) - 1)).await;
        }
        *asked.lock().await = Instant::now();
        if to.write_all(&part[..length]).await.is_err() {
            return;
        }
    }
}
