//! A router, called without a network or served with one.

use std::{
    fs,
    io::{BufRead, Write},
};

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use tower::Service;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A header that authenticates; several, so that no request is like the last.
pub type Credentials = Vec<(&'static str, String)>;

/// Serves, after a line that says how to authenticate.
pub async fn serve(router: Router, credentials: &Credentials, port: u16) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!(
        "{}",
        serde_json::json!({ "port": listener.local_addr()?.port(), "credentials": credentials })
    );
    Ok(axum::serve(listener, router).await?)
}

/// Calls a path as often as a line of the input says (`/me 20000`), and answers each line with
/// the processor time of one call in microseconds, over all threads.
pub async fn in_process(mut router: Router, credentials: &Credentials) -> Result<(), Failure> {
    println!("{}", serde_json::json!({ "credentials": credentials.len() }));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (path, times) = line.split_once(' ').ok_or("write a path and how often")?;
        let times: usize = times.trim().parse()?;
        let before = processor_time()?;
        for (number, (name, value)) in (0..times).zip(credentials.iter().cycle()) {
            if number % 64 == 0 {
                // As a server does between what arrives; others have work too.
                tokio::task::yield_now().await;
            }
            let request = Request::get(path).header(*name, value).body(Body::empty())?;
            let response = router.call(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("{path} answers {}", response.status()).into());
            }
        }
        let spent = processor_time()? - before;
        println!("{}", spent as f64 / 1000.0 / times as f64);
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Nanoseconds on a processor, of every thread of this process.
pub fn processor_time() -> Result<u64, Failure> {
    let mut all = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        all += stat.split(' ').next().ok_or("no schedstat")?.parse::<u64>()?;
    }
    Ok(all)
}
