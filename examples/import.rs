//! Imports users with `DATABASE=app.db import < users.jsonl`, and exports them with
//! `DATABASE=app.db import export > users.jsonl`.

use authlayer::{Auth, Password, SqliteStore};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let database = std::env::var("DATABASE").unwrap_or_else(|_| "app.db".to_owned());
    let auth = Auth::builder(SqliteStore::open(database).await?)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .build()?;
    if std::env::args().nth(1).as_deref() == Some("export") {
        let written = auth.users().export(tokio::io::stdout()).await?;
        eprintln!("{written} users");
        return Ok(());
    }
    let lines = tokio::io::BufReader::new(tokio::io::stdin());
    let progress = |so_far: &authlayer::users::ImportSummary| {
        if so_far.lines.is_multiple_of(50_000) {
            eprintln!("{} lines, {} users, {} refused", so_far.lines, so_far.users, so_far.refused);
        }
    };
    let done = auth.users().import(lines, progress).await?;
    for (line, problem) in &done.refusals {
        eprintln!("line {line}: {problem}");
    }
    eprintln!("{} users, {} refused", done.users, done.refused);
    Ok(())
}
