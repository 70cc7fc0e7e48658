//! Export and import of users as lines of JSON.

use std::{collections::HashMap, io};

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

use super::{
    Users,
    line::Line,
    lines::{LONGEST, next_line},
};
use crate::{
    clock::whole_millis,
    crypto::random,
    error::{AuthError, ErrorKind},
    model::{User, UserId},
    store::{Credential, CredentialKind, StoreError},
};

/// Users in one query or one transaction.
const BATCH: u32 = 500;
/// Bytes of records in one transaction, unless a single record is larger.
const BATCH_BYTES: usize = 4 << 20;
/// Maximum length of [`ImportSummary::refusals`] and of [`ImportSummary::omissions`]; all are
/// counted.
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
    /// The number of lines whose user was imported before. Only `Users::import_from` counts them;
    /// [`Users::import`] rejects them.
    pub skipped: u64,
    /// The number of things that could not be taken over from imported users, such as a password
    /// hash in an unknown format.
    pub omitted: u64,
    /// The numbers of the lines from which something was not taken over, with a description; the
    /// first thousand.
    pub omissions: Vec<(u64, String)>,
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

/// Users that are imported in one transaction.
#[derive(Default)]
pub(super) struct Batch {
    users: Vec<(User, Vec<Credential>)>,
    /// The number of each line, and what could not be taken over from it.
    lines: Vec<(u64, Vec<String>)>,
    bytes: usize,
}

impl Batch {
    /// Adds the user of a line with this number and length.
    pub(super) fn push(&mut self, number: u64, bytes: usize, new: NewRecord) {
        self.users.push((new.user, new.credentials));
        self.lines.push((number, new.omissions));
        self.bytes += bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.users.len() >= BATCH as usize || self.bytes >= BATCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// A user to import.
pub(super) struct NewRecord {
    pub(super) user: User,
    pub(super) credentials: Vec<Credential>,
    /// Descriptions of the parts that could not be taken over.
    pub(super) omissions: Vec<String>,
}

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
        let (mut batch, mut line) = (Batch::default(), Vec::new());
        loop {
            let more = next_line(&mut from, &mut line).await?;
            if more {
                so_far.lines += 1;
                match self.read_line(&line)? {
                    ParsedLine::Empty => {}
                    ParsedLine::User(new) => batch.push(so_far.lines, line.len(), *new),
                    ParsedLine::Invalid(problem) => so_far.refuse(so_far.lines, problem),
                }
            }
            if batch.is_full() || (!more && !batch.is_empty()) {
                let taken = "the user exists, is not unique, or was rejected";
                for (number, _) in self.store_batch(&mut batch, &mut so_far).await? {
                    so_far.refuse(number, taken);
                }
                progress(&so_far);
            }
            if !more {
                return Ok(so_far);
            }
        }
    }

    /// Creates the users of a batch, which is empty afterwards. Returns the numbers and users that
    /// were not created.
    pub(super) async fn store_batch(
        &self,
        batch: &mut Batch,
        so_far: &mut ImportSummary,
    ) -> Result<Vec<(u64, User)>, TransferError> {
        let made = self.accounts.import_users(&batch.users).await?;
        let mut others = Vec::new();
        let users = batch.users.drain(..).map(|(user, _)| user);
        for ((made, user), (number, omissions)) in
            made.into_iter().zip(users).zip(batch.lines.drain(..))
        {
            if made.is_none() {
                others.push((number, user));
                continue;
            }
            so_far.users += 1;
            for omission in omissions {
                so_far.omit(number, omission);
            }
        }
        batch.bytes = 0;
        Ok(others)
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
    pub(super) fn read_line(&self, line: &[u8]) -> Result<ParsedLine, AuthError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(ParsedLine::Empty);
        }
        let invalid = |problem: &str| Ok(ParsedLine::Invalid(problem.to_owned()));
        if line.len() as u64 > LONGEST {
            return invalid("the line is longer than 1 MiB");
        }
        if has_nul(line) {
            return invalid("the line contains the character U+0000");
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
            Ok(()) => {
                let new = NewRecord { user, credentials, omissions: Vec::new() };
                Ok(ParsedLine::User(Box::new(new)))
            }
            Err(error) => invalid(&error.to_string()),
        }
    }
}

/// A line of an import.
pub(super) enum ParsedLine {
    Empty,
    User(Box<NewRecord>),
    /// The problem of an invalid line.
    Invalid(String),
}

impl ImportSummary {
    pub(super) fn refuse(&mut self, line: u64, problem: impl Into<String>) {
        self.refused += 1;
        if self.refusals.len() < MOST_TOLD {
            self.refusals.push((line, problem.into()));
        }
    }

    fn omit(&mut self, line: u64, what: String) {
        self.omitted += 1;
        if self.omissions.len() < MOST_TOLD {
            self.omissions.push((line, what));
        }
    }
}

fn password(id: &UserId, hash: &str, now: Timestamp) -> Result<Credential, AuthError> {
    Ok(Credential::password(random::uuid_v7(now)?, id, hash, now))
}

/// Returns `true` if a text in valid JSON contains U+0000, which PostgreSQL cannot store.
pub(super) fn has_nul(json: &[u8]) -> bool {
    fn contains(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(all) => all.iter().any(contains),
            Value::Object(all) => {
                all.iter().any(|(name, own)| name.contains('\0') || contains(own))
            }
            _ => false,
        }
    }
    let may_have = json.windows(6).any(|six| six.eq_ignore_ascii_case(b"\\u0000"));
    may_have && serde_json::from_slice(json).is_ok_and(|value| contains(&value))
}
