//! `authlayer doctor`: checks what an application with authlayer depends on.

mod changes;
mod database;
mod origin;
mod postgres;
mod sqlite;

use serde_json::{Value, json};

use crate::{
    args::Global,
    failure::{Failure, with_sources},
    mailer::CommandMailer,
    output::Output,
    target::{Target, option},
};

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    /// It works, but should be improved.
    Warning,
    Failed,
    /// The options do not have what the check needs.
    Skipped,
}

/// A check with its result.
struct Check {
    name: &'static str,
    status: Status,
    /// What was found.
    found: String,
    /// What to do; empty if it is ok.
    advice: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), advice: String::new() }
    }

    fn of(
        name: &'static str,
        status: Status,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { name, status, found: found.into(), advice: advice.into() }
    }

    fn failed(
        name: &'static str,
        error: &dyn std::error::Error,
        advice: impl Into<String>,
    ) -> Self {
        Self::of(name, Status::Failed, with_sources(error), advice)
    }

    fn skipped(name: &'static str, advice: impl Into<String>) -> Self {
        Self::of(name, Status::Skipped, "not checked", advice)
    }

    fn word(&self) -> &'static str {
        match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "failed",
            Status::Skipped => "skipped",
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "status": self.word(), "found": self.found, "advice": self.advice,
        })
    }
}

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
    match CommandMailer::new(Some(url)) {
        Ok(CommandMailer::Smtp(mailer)) => match mailer.check().await {
            Ok(()) => {
                Check::ok("mail", "the mail server accepts the connection and the credentials")
            }
            Err(error) => {
                Check::failed("mail", &error, "check host, port, TLS and credentials of the URL")
            }
        },
        _ => Check::of(
            "mail",
            Status::Failed,
            "the URL is invalid",
            "write smtps://user:password@host?from=no-reply@example.com",
        ),
    }
}
