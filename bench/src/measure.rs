//! Calls of a router, in process or over HTTP.

use std::{
    fs,
    io::{BufRead, Write},
};

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use tower::Service;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Headers that authenticate; there are several, so that consecutive requests differ.
pub type Credentials = Vec<(&'static str, String)>;

/// Serves the router, after printing a line with the credentials.
pub async fn serve(router: Router, credentials: &Credentials, port: u16) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!(
        "{}",
        serde_json::json!({ "port": listener.local_addr()?.port(), "credentials": credentials })
    );
    Ok(axum::serve(listener, router).await?)
}

/// Calls a path as often as a line of input specifies (`/me 20000`), and prints for each line the
/// processor time of one call in microseconds, over all threads.
pub async fn in_process(mut router: Router, credentials: &Credentials) -> Result<(), Failure> {
    println!("{}", serde_json::json!({ "credentials": credentials.len() }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (path, times) = line.split_once(' ').ok_or("expected a path and a number of calls")?;
        let times: usize = times.trim().parse()?;
        let before = processor_time()?;
        for (number, (name, value)) in (0..times).zip(credentials.iter().cycle()) {
            if number % 64 == 0 {
                // A server yields between requests too, so other tasks can run.
                tokio::task::yield_now().await;
            }
            let request = Request::get(path).header(*name, value).body(Body::empty())?;
            let response = router.call(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("{path} returned {}", response.status()).into());
            }
        }
        let spent = processor_time()? - before;
        println!("{}", spent as f64 / 1000.0 / times as f64);
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Returns the processor time in nanoseconds of all threads of this process.
pub fn processor_time() -> Result<u64, Failure> {
    let mut all = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        all += stat.split(' ').next().ok_or("no schedstat")?.parse::<u64>()?;
    }
    Ok(all)
}
