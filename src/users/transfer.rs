//! Users as lines of JSON, from one place to another.

use std::{collections::HashMap, io};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{UserService, line::Line};
use crate::{
    clock::whole_millis,
    crypto::random,
    error::{AuthError, ErrorKind},
    model::{User, UserId},
    store::{Credential, CredentialKind, StoreError},
};

/// Users in one question or one transaction.
const BATCH: u32 = 500;
/// In bytes.
const LONGEST_LINE: u64 = 1 << 20;
/// How many refusals are told by line; all are counted.
const MOST_TOLD: usize = 1000;

/// How far an import has come, or came.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// So many lines were read.
    pub lines: u64,
    /// So many users were made.
    pub users: u64,
    /// So many were not.
    pub refused: u64,
    /// Which lines those were, counted from 1, and why; the first thousand.
    pub refusals: Vec<(u64, String)>,
}

/// Users could not be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A user could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The store did not do its work, or cannot: users who live elsewhere are not moved.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness for ids.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

type Newcomer = (User, Vec<Credential>);

impl UserService {
    /// Writes every user with passwords, passkeys and identities, a line of JSON each; answers
    /// how many. Credentials of kinds that only a newer version knows are left out and logged. Memory is that of five hundred users, however many there are.
    ///
    /// # Errors
    ///
    /// [`TransferError`]; what was written until then stands.
    ///
    /// # Security
    ///
    /// The file holds password hashes and public keys: whoever has it can guess at the former.
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
                        "a credential of a kind that only a newer version knows is not exported"
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

    /// Reads users from lines of JSON as [`export`](Self::export) writes them; `progress` is
    /// told after every five hundred. A line needs an `email` or an `id`; a password may be
    /// given as `password_hash`. A user who is there already, an address that is taken and a
    /// line that makes no sense are refused alone and told by number, so the same file can be
    /// read again after a failure.
    ///
    /// Hashes: PHC strings of Argon2id and PBKDF2-SHA256, and with the feature `legacy-hashes`
    /// bcrypt, scrypt, Django's and ASP.NET's. They are replaced at the next sign-in.
    ///
    /// # Errors
    ///
    /// [`TransferError`]; what was told as imported stands.
    pub async fn import(
        &self,
        mut from: impl AsyncBufRead + Unpin + Send,
        mut progress: impl FnMut(&Imported) + Send,
    ) -> Result<Imported, TransferError> {
        let mut so_far = Imported::default();
        let (mut batch, mut numbers, mut line) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let more = next_line(&mut from, &mut line).await?;
            if more {
                so_far.lines += 1;
                match self.read_line(&line)? {
                    Ok(None) => {}
                    Ok(Some(one)) => {
                        batch.push(one);
                        numbers.push(so_far.lines);
                    }
                    Err(problem) => so_far.refuse(so_far.lines, problem),
                }
            }
            if numbers.len() >= BATCH as usize || (!more && !batch.is_empty()) {
                let made = self.accounts.import_users(&batch).await?;
                for (number, made) in numbers.drain(..).zip(made) {
                    match made {
                        Some(_) => so_far.users += 1,
                        None => so_far.refuse(number, "there already, taken, or not admitted"),
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

    /// Gives a user who is there already, and has no password here, one that was hashed
    /// elsewhere: for users in a table of the application, whose hashes it has. Answers whether
    /// there was none. Hashes are those of [`import`](Self::import).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMembers`](crate::ErrorKind::InvalidMembers) for a hash of no system
    /// that is known; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound);
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn import_password(&self, id: &UserId, hash: &str) -> Result<bool, AuthError> {
        if !self.understands(hash) {
            return Err(AuthError::new(ErrorKind::InvalidMembers)
                .with_detail("The password hash is of no system that is known"));
        }
        if self.accounts.find_user(id).await?.is_none() {
            return Err(ErrorKind::NotFound.into());
        }
        let credential = password(id, hash, whole_millis(self.clock.now()))?;
        Ok(self.store.insert_credential(&credential).await?)
    }

    /// The user of a line; `Ok(None)` for an empty one, a problem for one that makes no sense.
    fn read_line(&self, line: &[u8]) -> Result<Result<Option<Newcomer>, String>, AuthError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Ok(None));
        }
        if line.len() as u64 > LONGEST_LINE {
            return Ok(Err("longer than a mebibyte".to_owned()));
        }
        let line: Line = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let now = whole_millis(self.clock.now());
        let id = match line.id.clone() {
            Some(id) if id.as_str().is_empty() => return Ok(Err("an empty id".to_owned())),
            Some(id) => id,
            None if line.email.is_none() => return Ok(Err("neither id nor email".to_owned())),
            None => UserId::new(new_id(now)?),
        };
        let mut credentials = Vec::new();
        if let Some(hash) = &line.password_hash {
            credentials.push(password(&id, hash, now)?);
        }
        for own in &line.credentials {
            match own.credential(new_id(now)?, &id) {
                Some(credential) => credentials.push(credential),
                None => return Ok(Err(format!("no credential is a {:?}", own.kind))),
            }
        }
        let hash_of =
            |own: &Credential| own.data.get("hash").and_then(Value::as_str).map(str::to_owned);
        let passwords = credentials.iter().filter(|own| own.kind == CredentialKind::Password);
        for hash in passwords.map(hash_of) {
            // Without one it is kept elsewhere.
            if hash.is_some_and(|hash| !self.understands(&hash)) {
                return Ok(Err("the password hash is of no system that is known".to_owned()));
            }
        }
        Ok(line.user(id, now).map(|user| Some((user, credentials))))
    }
}

impl Imported {
    fn refuse(&mut self, line: u64, problem: impl Into<String>) {
        self.refused += 1;
        if self.refusals.len() < MOST_TOLD {
            self.refusals.push((line, problem.into()));
        }
    }
}

/// Reads a line, and of one that is too long no more than it takes to know that.
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
    Ok(Credential {
        id: new_id(now)?,
        user_id: id.clone(),
        kind: CredentialKind::Password,
        lookup: id.as_str().to_owned(),
        data: json!({ "hash": hash }),
        created_at: now,
        updated_at: now,
        last_used_at: None,
    })
}

fn new_id(now: Timestamp) -> Result<String, AuthError> {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()?).into_uuid();
    Ok(id.to_string())
}
