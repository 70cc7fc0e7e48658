//! The server for black-box tests: all flows are enabled, the configuration is JSON in the
//! environment variable `TESTBED`, and it listens on loopback only.
//!
//! Its first line is `listening on http://127.0.0.1:<port>`. It logs to standard error with the
//! filter in `RUST_LOG`, and nothing without it. If it fails to start, it prints one line there and
//! exits with status 1.

mod app;
#[allow(dead_code, clippy::unwrap_used, reason = "the API tests share this file and use the rest")]
mod places;

use std::{io::stderr, net::SocketAddr, process::ExitCode};

use app::{Config, Testbed};
use authlayer::testing::ManualClock;
use tracing_subscriber::{filter::Targets, prelude::*};

#[tokio::main]
async fn main() -> ExitCode {
    let log = std::env::var("RUST_LOG").unwrap_or_default();
    let log = log.parse().unwrap_or_else(|_| Targets::new());
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_filter(log);
    tracing_subscriber::registry().with(lines).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", line(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Returns the text of an error, and of each of its sources that it does not contain.
fn line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for source in std::iter::successors(error.source(), |error| error.source()) {
        let source = source.to_string();
        if !text.contains(&source) {
            text.push_str(": ");
            text.push_str(&source);
        }
    }
    text
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let config = std::env::var("TESTBED").unwrap_or_else(|_| "{}".to_owned());
    let config: Config = serde_json::from_str(&config)?;
    let listen: SocketAddr = config.listen.parse()?;
    if !listen.ip().is_loopback() {
        return Err("the testbed listens on loopback only".into());
    }
    let testbed = Testbed::build(config, ManualClock::running()).await?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = testbed.router().into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
