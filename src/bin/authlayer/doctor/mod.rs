//! `authlayer doctor`: checks what an application with authlayer depends on.

mod changes;
mod check;
mod database;
mod origin;
mod postgres;
mod sqlite;

use serde_json::json;

use check::{Check, Status};

use crate::{
    args::Global,
    failure::Failure,
    mailer::server,
    output::Output,
    target::{Target, option},
};

pub(crate) async fn run(global: &Global, output: &mut Output) -> Result<(), Failure> {
    let mut checks = database::checks(&Target::of(global)?).await;
    checks.extend(
        origin::checks(option(global.origin.as_ref(), "AUTHLAYER_ORIGIN").as_deref()).await,
    );
    checks.push(mail(option(global.smtp.as_ref(), "SMTP_URL").as_deref()).await);
    for check in &checks {
        let advice = if check.advice.is_empty() { "" } else { ": " };
        output.say(&format!(
            "{:<8}{:<12}{}{advice}{}",
            check.word(),
            check.name,
            check.found,
            check.advice
        ))?;
    }
    let is_ok = checks.iter().all(|check| check.status != Status::Failed);
    let checks = Vec::from_iter(checks.iter().map(Check::to_json));
    output.document(&json!({ "ok": is_ok, "checks": checks }))?;
    if is_ok { Ok(()) } else { Err(Failure::silent()) }
}

async fn mail(url: Option<&str>) -> Check {
    let Some(url) = url else {
        return Check::skipped("mail", "set SMTP_URL or pass --smtp");
    };
    match server(url) {
        Ok(mailer) => match mailer.check().await {
            Ok(()) => {
                Check::ok("mail", "the mail server accepts the connection and the credentials")
            }
            Err(error) => {
                Check::failed("mail", &error, "check host, port, TLS and credentials of the URL")
            }
        },
        Err(_) => Check::of(
            "mail",
            Status::Failed,
            "the URL is invalid",
            "write smtps://user:password@host?from=no-reply@example.com",
        ),
    }
}
