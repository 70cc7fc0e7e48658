//! Export and import of users as lines of JSON.

use std::{collections::HashMap, io};

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Users, line::Line};
use crate::{
    clock::whole_millis,
    crypto::random,
    error::{AuthError, ErrorKind},
    model::{User, UserId},
    store::{Credential, CredentialKind, StoreError},
};

/// Users in one query or one transaction.
const BATCH: u32 = 500;
/// Maximum length of a line, in bytes.
const LONGEST_LINE: u64 = 1 << 20;
/// Maximum number of rejected lines in [`ImportSummary::refusals`]; all are counted.
const MOST_TOLD: usize = 1000;

/// The progress or the result of an import.
///
/// ```
/// use authlayer::users::ImportSummary;
///
/// fn print(done: &ImportSummary) {
///     println!("{} of {} lines were imported", done.users, done.lines);
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportSummary {
    /// The number of lines that were read.
    pub lines: u64,
    /// The number of users that were created.
    pub users: u64,
    /// The number of lines that were rejected.
    pub refused: u64,
    /// The numbers of the rejected lines, counted from 1, with the reason; the first thousand.
    pub refusals: Vec<(u64, String)>,
}

/// An export or import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A user could not be serialized as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The store failed, or does not support the operation: users of a
    /// [`UserDirectory`](super::UserDirectory) cannot be exported.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes are available for ids.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

type Newcomer = (User, Vec<Credential>);

impl Users {
    /// Writes every user with passwords, passkeys and identities as one line of JSON. Returns the
    /// number of users. Credentials whose kind only a newer version knows are omitted and logged.
    /// At most 500 users are in memory at a time.
    ///
    /// # Errors
    ///
    /// [`TransferError`]; the lines that were written before remain.
    ///
    /// # Security
    ///
    /// The file contains password hashes and public keys. Protect it: hashes allow offline guessing
    /// of passwords.
    pub async fn export(
        &self,
        mut to: impl AsyncWrite + Unpin + Send,
    ) -> Result<u64, TransferError> {
        let (mut last, mut written) = (None, 0);
        loop {
            let page = self.accounts.list_users(last.as_ref(), BATCH).await?;
            let ids: Vec<UserId> = page.iter().map(|user| user.id.clone()).collect();
            let Some(end) = ids.last() else { break };
            let mut own: HashMap<UserId, Vec<Credential>> = HashMap::new();
            for credential in self.store.list_credentials_of(&ids).await? {
                if credential.kind == CredentialKind::Other {
                    tracing::warn!(
                        user = %credential.user_id,
                        credential = credential.id,
                        "a credential was not exported: its kind is unknown to this version"
                    );
                    continue;
                }
                own.entry(credential.user_id.clone()).or_default().push(credential);
            }
            last = Some(end.clone());
            for user in page {
                let credentials = own.remove(&user.id).unwrap_or_default();
                let mut line = serde_json::to_vec(&Line::of(user, credentials))?;
                line.push(b'\n');
                to.write_all(&line).await?;
                written += 1;
            }
        }
        to.flush().await?;
        Ok(written)
    }

    /// Imports users from lines of JSON as written by [`export`](Self::export), and calls
    /// `progress` after every 500 users. A line requires an `email` or an `id`; a password can be
    /// given as `password_hash`. An existing user, a registered email address and an invalid line
    /// are rejected without affecting other lines, so that the same file can be imported again
    /// after a failure.
    ///
    /// Supported hashes are PHC strings of Argon2id and PBKDF2-SHA256 and, with the feature
    /// `legacy-hashes`, those of bcrypt, scrypt, Django and ASP.NET. They are replaced at the next
    /// sign-in.
    ///
    /// # Errors
    ///
    /// [`TransferError`]; the users that were reported to `progress` remain.
    pub async fn import(
        &self,
        mut from: impl AsyncBufRead + Unpin + Send,
        mut progress: impl FnMut(&ImportSummary) + Send,
    ) -> Result<ImportSummary, TransferError> {
        let mut so_far = ImportSummary::default();
        let (mut batch, mut numbers, mut line) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let more = next_line(&mut from, &mut line).await?;
            if more {
                so_far.lines += 1;
                match self.read_line(&line)? {
                    ParsedLine::Empty => {}
                    ParsedLine::User(user) => {
                        batch.push(*user);
                        numbers.push(so_far.lines);
                    }
                    ParsedLine::Invalid(problem) => so_far.refuse(so_far.lines, problem),
                }
            }
            if numbers.len() >= BATCH as usize || (!more && !batch.is_empty()) {
                let made = self.accounts.import_users(&batch).await?;
                for (number, made) in numbers.drain(..).zip(made) {
                    match made {
                        Some(_) => so_far.users += 1,
                        None => {
                            so_far.refuse(number, "the user exists, is not unique, or was rejected")
                        }
                    }
                }
                batch.clear();
                progress(&so_far);
            }
            if !more {
                return Ok(so_far);
            }
        }
    }

    /// Adds the hash of a password from another system to an existing user who has no password
    /// here, for example for users in a table of the application. Returns whether the password was
    /// added. The supported hashes are those of [`import`](Self::import).
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidMembers`](crate::ErrorKind::InvalidMembers) if the hash has no
    ///   supported format.
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the user does not exist.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn import_password(&self, id: &UserId, hash: &str) -> Result<bool, AuthError> {
        if !self.understands(hash) {
            return Err(AuthError::new(ErrorKind::InvalidMembers)
                .with_detail("The password hash has no supported format"));
        }
        if self.accounts.find_user(id).await?.is_none() {
            return Err(ErrorKind::NotFound.into());
        }
        let credential = password(id, hash, whole_millis(self.clock.now()))?;
        Ok(self.store.insert_credential(&credential).await?)
    }

    /// Parses a line.
    fn read_line(&self, line: &[u8]) -> Result<ParsedLine, AuthError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(ParsedLine::Empty);
        }
        let invalid = |problem: &str| Ok(ParsedLine::Invalid(problem.to_owned()));
        if line.len() as u64 > LONGEST_LINE {
            return invalid("the line is longer than 1 MiB");
        }
        let line: Line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(error) => return invalid(&error.to_string()),
        };
        let now = whole_millis(self.clock.now());
        let id = match line.id.clone() {
            Some(id) if id.as_str().is_empty() => return invalid("the id is empty"),
            Some(id) => id,
            None if line.email.is_none() => return invalid("id and email are missing"),
            None => UserId::new(random::uuid_v7(now)?),
        };
        let mut credentials = Vec::new();
        if let Some(hash) = &line.password_hash {
            credentials.push(password(&id, hash, now)?);
        }
        for own in &line.credentials {
            match own.credential(random::uuid_v7(now)?, &id) {
                Some(credential) => credentials.push(credential),
                None => return invalid(&format!("unknown credential kind {:?}", own.kind)),
            }
        }
        let hash_of =
            |own: &Credential| own.data.get("hash").and_then(Value::as_str).map(str::to_owned);
        let passwords = credentials.iter().filter(|own| own.kind == CredentialKind::Password);
        for hash in passwords.map(hash_of) {
            // A password without a hash is stored elsewhere.
            if hash.is_some_and(|hash| !self.understands(&hash)) {
                return invalid("the password hash has no supported format");
            }
        }
        let mut user = match line.user(id, now) {
            Ok(user) => user,
            Err(problem) => return invalid(&problem),
        };
        match self.usernames.normalize(&mut user) {
            Ok(()) => Ok(ParsedLine::User(Box::new((user, credentials)))),
            Err(error) => invalid(&error.to_string()),
        }
    }
}

/// A line of an import.
enum ParsedLine {
    Empty,
    User(Box<Newcomer>),
    /// The problem of an invalid line.
    Invalid(String),
}

impl ImportSummary {
    fn refuse(&mut self, line: u64, problem: impl Into<String>) {
        self.refused += 1;
        if self.refusals.len() < MOST_TOLD {
            self.refusals.push((line, problem.into()));
        }
    }
}

/// Reads a line; of a line that is too long, only as much as is needed to detect that.
async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<bool, io::Error> {
    line.clear();
    let mut part = Vec::new();
    loop {
        part.clear();
        let read = (&mut *from).take(LONGEST_LINE + 1).read_until(b'\n', &mut part).await?;
        let is_whole = part.last() == Some(&b'\n') || (read as u64) <= LONGEST_LINE;
        if line.is_empty() {
            std::mem::swap(line, &mut part);
        }
        if is_whole {
            return Ok(!line.is_empty());
        }
    }
}

fn password(id: &UserId, hash: &str, now: Timestamp) -> Result<Credential, AuthError> {
    Ok(Credential::password(random::uuid_v7(now)?, id, hash, now))
}
