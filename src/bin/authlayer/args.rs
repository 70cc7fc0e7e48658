//! The arguments.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use authlayer::{EventKind, import::ImportSource, jiff::Timestamp};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{failure, text};

/// The exit codes and the environment, in the help and on the man page.
const NOTES: &str = "\
Exit codes:
  0    done
  1    not done: no such user, rejected, a check failed, lines of an import were rejected
  2    the arguments are invalid, or a confirmation is missing
  3    the database is not available, or it needs a migration or another version of authlayer
  130  interrupted

Environment:
  DATABASE_URL          the database, for example sqlite:app.db or postgres://user:password@host/name
  AUTHLAYER_ORIGIN      the origin of the application, as --origin
  AUTHLAYER_ADMIN_ROLE  the role of administrators, as --admin-role
  SMTP_URL              the mail server with the sender as `from`, as --smtp

Example:
  DATABASE_URL=sqlite:app.db authlayer users list";

/// Administers the users of an application with authlayer, and checks its database.
#[derive(Debug, Parser)]
#[command(name = "authlayer", version, after_help = NOTES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The database: sqlite:FILE or postgres://… Set DATABASE_URL instead if it has a password, which other processes of the machine can read in the arguments.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Supports a pooler in transaction mode that loses prepared statements.
    #[arg(long, global = true)]
    pub(crate) pooled: bool,
    /// Prints JSON: one document, or one in each line for lists. Errors too.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Confirms a change that cannot be undone.
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// The administrator who acts, by id or email address. Events have it as actor.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) actor: Option<String>,
    /// The role of administrators: one active user with it always remains.
    #[arg(long, global = true, value_name = "ROLE")]
    pub(crate) admin_role: Option<String>,
    /// The origin of the application, for links in messages.
    #[arg(long, global = true, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// The path of the page that sets a password with a link.
    #[arg(long, global = true, value_name = "PATH", default_value = "/reset-password")]
    pub(crate) reset_page: String,
    /// The mail server, for example smtps://user:password@host?from=no-reply@example.com. Without it, the processes of the application deliver messages.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) smtp: Option<String>,
    /// The application has usernames. Detected if a user has one.
    #[arg(long, global = true)]
    pub(crate) usernames: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the pending migrations. No other command changes the tables.
    #[command(after_help = "Example:\n  authlayer migrate --check --database sqlite:app.db")]
    Migrate(Migrate),
    /// Finds, creates and changes users.
    #[command(subcommand, after_help = "Example:\n  authlayer users show ada@example.com")]
    Users(Users),
    /// Lists and revokes sessions.
    #[command(subcommand, after_help = "Example:\n  authlayer sessions list ada@example.com")]
    Sessions(Sessions),
    /// Lists and removes passkeys, security keys and authenticator apps.
    #[command(subcommand, after_help = "Example:\n  authlayer factors list ada@example.com")]
    Factors(Factors),
    /// Lists the events of the audit log, oldest first.
    #[command(after_help = "Example:\n  authlayer events --user ada@example.com --follow")]
    Events(Events),
    /// Writes every user with credentials as a line of JSON. The file contains password hashes.
    #[command(after_help = "Example:\n  authlayer export --output users.jsonl")]
    Export(Export),
    /// Imports users.
    #[command(after_help = "Example:\n  authlayer import --from authlayer users.jsonl")]
    Import(Import),
    /// Measures parameters of Argon2id for this machine.
    #[command(after_help = "Example:\n  authlayer calibrate --target 250")]
    Calibrate(Calibrate),
    /// Checks the database, the origin and the mail server.
    #[command(
        after_help = "Example:\n  authlayer doctor --origin https://app.example.com --smtp \"$SMTP_URL\""
    )]
    Doctor,
    /// Prints the completions of a shell.
    #[command(
        after_help = "Example:\n  authlayer completions bash > /etc/bash_completion.d/authlayer"
    )]
    Completions(Completions),
    /// Writes the man pages to a directory.
    #[command(after_help = "Example:\n  authlayer man /usr/local/share/man/man1")]
    Man(Man),
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Lists the pending migrations, and exits with 1 if there are any.
    #[arg(long, conflicts_with = "print")]
    pub(crate) check: bool,
    /// Prints the pending migrations as SQL, without running them.
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Lists users, the newest first.
    #[command(after_help = "Example:\n  authlayer users list --search ada@ --role editor")]
    List(ListUsers),
    /// Shows a user: status, sign-in methods, recent failures.
    #[command(after_help = "Example:\n  authlayer users show ada@example.com")]
    Show(OneUser),
    /// Creates a user, with or without a password.
    #[command(
        after_help = "Example:\n  authlayer users create ada@example.com --role admin --password"
    )]
    Create(CreateUser),
    /// Creates a user, and sends a link to set the first password.
    #[command(
        after_help = "Example:\n  authlayer users invite ada@example.com --origin https://app.example.com"
    )]
    Invite(NewUser),
    /// Sends a link to set a new password.
    #[command(
        after_help = "Example:\n  authlayer users send-reset ada@example.com --origin https://app.example.com"
    )]
    SendReset(OneUser),
    /// Sets the password of a user, and ends all sessions. The password is read from the terminal.
    #[command(
        after_help = "Example:\n  pass show ada | authlayer users set-password ada@example.com --password-stdin"
    )]
    SetPassword(SetPassword),
    /// Adds and removes roles.
    #[command(
        after_help = "Example:\n  authlayer users roles ada@example.com --add editor --remove author"
    )]
    Roles(Roles),
    /// Disables a user: sessions end, and the user cannot sign in.
    #[command(after_help = "Example:\n  authlayer users disable ada@example.com --yes")]
    Disable(OneUser),
    /// Enables a user.
    #[command(after_help = "Example:\n  authlayer users enable ada@example.com")]
    Enable(OneUser),
    /// Deletes a user with all sessions and credentials.
    #[command(after_help = "Example:\n  authlayer users delete ada@example.com --yes")]
    Delete(OneUser),
}

#[derive(Args, Debug)]
pub(crate) struct ListUsers {
    /// The beginning of an email address, username, display name or id.
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Users with this role.
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Users with this status.
    #[arg(long)]
    pub(crate) status: Option<Status>,
    /// The maximum number of users.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: u64,
    /// Lists all users.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Active,
    Disabled,
}

#[derive(Args, Debug)]
pub(crate) struct OneUser {
    /// The id, the email address or the username.
    #[arg(value_name = "USER")]
    pub(crate) user: String,
}

#[derive(Args, Debug)]
pub(crate) struct NewUser {
    /// The email address.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,
    /// The display name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The username.
    #[arg(long)]
    pub(crate) username: Option<String>,
    /// A role; repeat it for several.
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct CreateUser {
    #[command(flatten)]
    pub(crate) user: NewUser,
    /// The email address is verified.
    #[arg(long)]
    pub(crate) verified: bool,
    /// Reads a password from the terminal, twice.
    #[arg(long, conflicts_with = "password_stdin")]
    pub(crate) password: bool,
    /// Reads a password from the first line of standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SetPassword {
    #[command(flatten)]
    pub(crate) user: OneUser,
    /// Reads the password from the first line of standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Roles {
    #[command(flatten)]
    pub(crate) user: OneUser,
    /// Adds a role; repeat it for several.
    #[arg(long, value_name = "ROLE")]
    pub(crate) add: Vec<String>,
    /// Removes a role; repeat it for several.
    #[arg(long, value_name = "ROLE")]
    pub(crate) remove: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// Lists the sessions of a user, the newest first.
    #[command(after_help = "Example:\n  authlayer sessions list ada@example.com")]
    List(OneUser),
    /// Revokes one session of a user, or all.
    #[command(after_help = "Example:\n  authlayer sessions revoke ada@example.com --all --yes")]
    Revoke(RevokeSessions),
}

#[derive(Args, Debug)]
pub(crate) struct RevokeSessions {
    #[command(flatten)]
    pub(crate) user: OneUser,
    /// The id of the session.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) session: Option<String>,
    /// Revokes all sessions of the user.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Factors {
    /// Lists the factors of a user, the oldest first.
    #[command(after_help = "Example:\n  authlayer factors list ada@example.com")]
    List(OneUser),
    /// Removes a factor of a user. Sessions on which it was verified end.
    #[command(after_help = "Example:\n  authlayer factors remove ada@example.com FACTOR --yes")]
    Remove(RemoveFactor),
}

#[derive(Args, Debug)]
pub(crate) struct RemoveFactor {
    #[command(flatten)]
    pub(crate) user: OneUser,
    /// The id of the factor.
    pub(crate) factor: String,
}

#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Events of this user, by id, email address or username. The id of a deleted user is valid.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Events of this kind, for example sign_in_failed.
    #[arg(long, value_parser = event_kind)]
    pub(crate) kind: Option<EventKind>,
    /// Events since this time, for example 2026-05-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Events before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<Timestamp>,
    /// The maximum number of events, the latest ones; with --follow, of those before the start.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: usize,
    /// Continues with new events until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// A new file, which only its owner can read; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The system that wrote the file; `authlayer` is the output of `authlayer export`.
    #[arg(long, value_name = "SYSTEM", value_parser = source())]
    pub(crate) from: ImportSource,
    /// Firebase: `base64_salt_separator` of the project.
    #[arg(long, value_name = "BASE64", help_heading = "Firebase")]
    pub(crate) salt_separator: Option<String>,
    /// Firebase: `rounds` of the project.
    #[arg(long, value_name = "N", help_heading = "Firebase")]
    pub(crate) rounds: Option<u32>,
    /// Firebase: `mem_cost` of the project.
    #[arg(long, value_name = "N", help_heading = "Firebase")]
    pub(crate) mem_cost: Option<u8>,
    /// Devise: `config.pepper` is set.
    #[arg(long, help_heading = "Devise")]
    pub(crate) peppered: bool,
    /// The file; `-` is standard input.
    pub(crate) file: PathBuf,
}

fn source() -> impl TypedValueParser<Value = ImportSource> {
    PossibleValuesParser::new(ImportSource::NAMES).try_map(|name| name.parse::<ImportSource>())
}

#[derive(Args, Debug)]
pub(crate) struct Calibrate {
    /// The time of one hash, in milliseconds.
    #[arg(long, default_value = "250", value_parser = millis, value_name = "MS")]
    pub(crate) target: Duration,
    /// The maximum memory of one hash, in MiB. A process computes as many at once as it has cores.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(19..=256), value_name = "MIB")]
    pub(crate) max_memory: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The directory, which is created.
    pub(crate) directory: PathBuf,
}

fn millis(text: &str) -> Result<Duration, String> {
    let millis: u64 = text.parse().map_err(|_| "expected a number of milliseconds".to_owned())?;
    Ok(Duration::from_millis(millis))
}

fn event_kind(text: &str) -> Result<EventKind, String> {
    EventKind::from_name(text).ok_or_else(|| "unknown kind of events".to_owned())
}

/// Parses the arguments. Help, and errors of the arguments, are printed here.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        let printed = error.render().to_string();
        match error.use_stderr() {
            true => failure::print_error(&text::clean_lines(&printed)),
            false => failure::print(&printed),
        }
        ExitCode::from(if error.use_stderr() { 2 } else { 0 })
    })
}
