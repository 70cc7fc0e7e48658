//! Failures of the command, and their exit codes.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use authlayer::{AuthError, ConfigError, ErrorKind, store::StoreError, users::TransferError};
use serde_json::json;

use crate::text::{clean, escaped};

/// A command that did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// A stable name for programs.
    code: String,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Failed = 1,
    Usage = 2,
    Unavailable = 3,
    Interrupted = 130,
    /// The reader of the output has gone, which is no failure.
    Closed = 0,
}

impl Failure {
    fn new(exit: Exit, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), message: message.into() }
    }

    /// A rejected or unsuccessful command: exit code 1.
    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, message)
    }

    /// A command whose result says what failed: exit code 1, without a message.
    pub(crate) fn silent() -> Self {
        Self::new(Exit::Failed, "", "")
    }

    /// Invalid arguments: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// A database that cannot be used: exit code 3.
    pub(crate) fn unavailable(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, code, message)
    }

    /// A command that was interrupted: exit code 130.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, "interrupted", message)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code == "not_found"
    }

    /// Prints the failure to standard error, and returns the exit code.
    pub(crate) fn report(&self, is_json: bool) -> ExitCode {
        if self.exit != Exit::Closed && !self.message.is_empty() {
            print_error(&match is_json {
                true => {
                    let error = json!({ "code": self.code, "message": self.message });
                    format!("{}\n", escaped(&json!({ "error": error })))
                }
                false => format!("authlayer: {}\n", clean(&self.message)),
            });
        }
        ExitCode::from(self.exit as u8)
    }
}

/// Prints to standard error; a closed one is ignored.
pub(crate) fn print_error(text: &str) {
    let _closed = io::stderr().write_all(text.as_bytes());
}

/// Prints to standard output; a closed one is ignored.
pub(crate) fn print(text: &str) {
    let _closed = io::stdout().write_all(text.as_bytes());
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let mut message = error.title().to_owned();
        if let Some(detail) = error.detail() {
            message = format!("{message}: {detail}");
        }
        for (name, value) in error.extensions() {
            message += &format!("; {name}: {value}");
        }
        if let Some(cause) = error.source() {
            message = format!("{message}: {}", with_sources(cause));
        }
        let exit = match error.kind() {
            ErrorKind::Unavailable => Exit::Unavailable,
            _ => Exit::Failed,
        };
        Self::new(exit, error.kind().code(), message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::unavailable("unavailable", with_sources(&error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(with_sources(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Closed, "closed", ""),
            _ => Self::failed("io", error.to_string()),
        }
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Io(error) => error.into(),
            TransferError::Store(error) => error.into(),
            TransferError::Auth(error) => error.into(),
            error => Self::failed("json", with_sources(&error)),
        }
    }
}

/// Returns the text of an error with its sources, without repetitions.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        let own = error.to_string();
        if !text.contains(&own) {
            text += &format!(": {own}");
        }
        source = error.source();
    }
    text
}
