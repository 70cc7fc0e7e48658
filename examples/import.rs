//! Imports users with `DATABASE=app.db import < users.jsonl`, and exports them with
//! `DATABASE=app.db import export > users.jsonl`. The name of another system, as in
//! `DATABASE=postgres://localhost/app import django < users.jsonl`, imports its users. Devise and
//! Firebase read their secrets from `DEVISE_PEPPER` and `FIREBASE_SIGNER_KEY`.

use authlayer::{
    Auth, AuthBuilder, Password, PgStore, SqliteStore,
    import::{ImportSource, ImportSummary},
};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let database = std::env::var("DATABASE").unwrap_or_else(|_| "app.db".to_owned());
    let auth =
        builder(&database).await?.origin("http://localhost:3000").flow(password()).build()?;
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("export") {
        let written = auth.users().export(tokio::io::stdout()).await?;
        eprintln!("{written} users");
        return Ok(());
    }
    let lines = tokio::io::BufReader::new(tokio::io::stdin());
    let mut source: ImportSource = argument.as_deref().unwrap_or("authlayer").parse()?;
    if source == ImportSource::devise(false) {
        source = ImportSource::devise(std::env::var_os("DEVISE_PEPPER").is_some());
    }
    let progress = |so_far: &ImportSummary| {
        if so_far.lines.is_multiple_of(50_000) {
            eprintln!("{} lines, {} users, {} refused", so_far.lines, so_far.users, so_far.refused);
        }
    };
    let done = auth.users().import_from(source, lines, progress).await?;
    for (line, problem) in &done.refusals {
        eprintln!("line {line}: {problem}");
    }
    for (line, what) in &done.omissions {
        eprintln!("line {line}: imported without: {what}");
    }
    eprintln!("{} users, {} skipped, {} refused", done.users, done.skipped, done.refused);
    Ok(())
}

fn password() -> Password {
    let mut flow = Password::new();
    if let Ok(pepper) = std::env::var("DEVISE_PEPPER") {
        flow = flow.devise_pepper(pepper);
    }
    if let Ok(key) = std::env::var("FIREBASE_SIGNER_KEY") {
        flow = flow.firebase_signer_key(&key);
    }
    flow
}

async fn builder(database: &str) -> Result<AuthBuilder, Box<dyn std::error::Error>> {
    Ok(match database.starts_with("postgres:") {
        true => Auth::builder(PgStore::connect(database).await?),
        false => Auth::builder(SqliteStore::open(database).await?),
    })
}
