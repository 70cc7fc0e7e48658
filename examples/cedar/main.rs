//! Authorization of notes with the Cedar policies in `policies.cedar`: for owners, a tenant and a
//! role.
//!
//! `POLICIES` names another file of policies. Change it and send SIGHUP: the new policies apply to
//! the next request.

mod app;
#[path = "../common/mod.rs"]
#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use authlayer::{Auth, Password, Policies, SqliteStore};

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;
    let file = std::env::var("POLICIES").ok();
    let policies = Policies::parse(&text(file.as_deref())?)?;
    #[cfg(unix)]
    tokio::spawn(reload(policies.clone(), file));
    common::serve(port, app::app(&auth, &policies)).await
}

fn text(file: Option<&str>) -> std::io::Result<String> {
    file.map_or_else(|| Ok(app::POLICIES.to_owned()), std::fs::read_to_string)
}

#[cfg(unix)]
async fn reload(policies: Policies, file: Option<String>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut asked) = signal(SignalKind::hangup()) else { return };
    while asked.recv().await.is_some() {
        match text(file.as_deref()) {
            Ok(text) => match policies.reload(&text) {
                Ok(()) => println!("policies reloaded"),
                Err(error) => println!("the old policies remain in use: {error}"),
            },
            Err(error) => println!("the old policies remain in use: {error}"),
        }
    }
}
