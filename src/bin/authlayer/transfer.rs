//! `authlayer export` and `authlayer import`.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal},
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use authlayer::{import::ImportSource, users::ImportSummary};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, BufReader, ReadBuf};

use crate::{
    app::App,
    args::{Export, Global, Import},
    failure::{Failure, print_error},
    output::Output,
    text::clean,
};

pub(crate) async fn export(
    global: &Global,
    options: &Export,
    output: &mut Output,
) -> Result<(), Failure> {
    let app = App::open(global).await?;
    let done = match &options.output {
        Some(path) => match new_file(path) {
            Ok(file) => app.auth.users().export(tokio::fs::File::from_std(file)).await,
            Err(error) => Err(error.into()),
        },
        None => app.auth.users().export(tokio::io::stdout()).await,
    };
    app.close(output).await?;
    let users = done?;
    match options.output {
        Some(_) => output.result(&format!("exported {users} users"), &json!({ "users": users })),
        None => Ok(()),
    }
}

/// Creates a file that only its owner can read. An existing file is not replaced.
fn new_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(crate) async fn import(
    global: &Global,
    options: &Import,
    output: &mut Output,
) -> Result<(), Failure> {
    let source = options.source().map_err(Failure::usage)?;
    let (from, size): (Box<dyn AsyncRead + Unpin + Send>, _) = match options.file.to_str() {
        Some("-") => (Box::new(tokio::io::stdin()), None),
        _ => {
            let opened = tokio::fs::File::open(&options.file).await;
            let file = opened.map_err(|error| {
                Failure::failed("io", format!("{}: {error}", options.file.display()))
            })?;
            let size = file.metadata().await.ok().map(|own| own.len());
            (Box::new(file), size)
        }
    };
    let app = App::open(global).await?;
    let bar = bar(size, output.is_json());
    let reader = BufReader::new(Counted { from, bar: bar.clone() });
    let last = Arc::new(Mutex::new(ImportSummary::default()));
    let imported = {
        let progress = |so_far: &ImportSummary| {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = so_far.clone();
            bar.set_message(format!("{} users, {} rejected", so_far.users, so_far.refused));
            if output.is_json() {
                // The result is printed in any case.
                let _closed = output.document(&counts(so_far)).and_then(|()| output.flush());
            }
        };
        let users = app.users();
        let import = users.import_from(source, reader, progress);
        tokio::select! {
            imported = import => Some(imported),
            _ = tokio::signal::ctrl_c() => None,
        }
    };
    bar.finish_and_clear();
    app.close(output).await?;
    let so_far = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match imported {
        Some(Ok(summary)) => report(&summary, output),
        Some(Err(error)) => {
            print_error(&format!("authlayer: {}\n", clean(&stopped(&so_far))));
            Err(error.into())
        }
        None => Err(Failure::interrupted(stopped(&so_far))),
    }
}

impl Import {
    /// Returns the system, with its parameters.
    fn source(&self) -> Result<ImportSource, &'static str> {
        let hashes = (self.salt_separator.clone(), self.rounds, self.mem_cost);
        match (self.from.clone(), hashes) {
            (ImportSource::Firebase { salt_separator, rounds, mem_cost }, own) => {
                Ok(ImportSource::Firebase {
                    salt_separator: own.0.unwrap_or(salt_separator),
                    rounds: own.1.unwrap_or(rounds),
                    mem_cost: own.2.unwrap_or(mem_cost),
                })
            }
            (_, (Some(_), ..) | (_, Some(_), _) | (.., Some(_))) => {
                Err("--salt-separator, --rounds and --mem-cost belong to --from firebase")
            }
            (ImportSource::Devise { .. }, _) => Ok(ImportSource::devise(self.peppered)),
            _ if self.peppered => Err("--peppered belongs to --from devise"),
            (other, _) => Ok(other),
        }
    }
}

fn bar(size: Option<u64>, is_json: bool) -> ProgressBar {
    if is_json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match size {
        Some(size) => {
            (ProgressBar::new(size), "{bar:30} {bytes}/{total_bytes} {msg} ({elapsed}, {eta} left)")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes} {msg} ({elapsed})"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn counts(summary: &ImportSummary) -> Value {
    json!({
        "lines": summary.lines,
        "users": summary.users,
        "skipped": summary.skipped,
        "rejected": summary.refused,
    })
}

/// Describes where an import stopped.
fn stopped(so_far: &ImportSummary) -> String {
    format!(
        "the import stopped after line {}: {} users were imported, and perhaps those of the next 500 \
        lines. Run the same command again to continue: users who exist are skipped, and none is imported \
        twice",
        so_far.lines, so_far.users
    )
}

fn report(summary: &ImportSummary, output: &mut Output) -> Result<(), Failure> {
    for (line, reason) in &summary.refusals {
        output.say(&format!("line {line}: {reason}"))?;
    }
    for (line, what) in &summary.omissions {
        output.say(&format!("line {line}: imported without: {what}"))?;
    }
    output.say(&format!(
        "imported {} users of {} lines, {} existed, {} lines were rejected",
        summary.users, summary.lines, summary.skipped, summary.refused
    ))?;
    let list = |name: &str, all: &[(u64, String)]| -> Value {
        all.iter().map(|(line, text)| json!({ "line": line, name: text })).collect()
    };
    let mut document = counts(summary);
    if let Value::Object(members) = &mut document {
        members.insert("refusals".to_owned(), list("reason", &summary.refusals));
        members.insert("omitted".to_owned(), json!(summary.omitted));
        members.insert("omissions".to_owned(), list("what", &summary.omissions));
        members.insert("done".to_owned(), json!(true));
    }
    output.document(&document)?;
    if summary.refused == 0 { Ok(()) } else { Err(Failure::silent()) }
}

/// A reader that moves a progress bar.
struct Counted {
    from: Box<dyn AsyncRead + Unpin + Send>,
    bar: ProgressBar,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.from).poll_read(context, buffer);
        self.bar.inc(buffer.filled().len().saturating_sub(before).try_into().unwrap_or(u64::MAX));
        read
    }
}
