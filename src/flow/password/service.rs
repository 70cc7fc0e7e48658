//! Sign-up and sign-in, without HTTP.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    auth::Core,
    clock::whole_millis,
    crypto::{
        password::{HashPool, PasswordText, Policy, PoolError},
        random,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{Client, Email, Factor, Transport, User, UserId},
    session::Issued,
    store::{Creation, Credential, CredentialKind},
};

/// What somebody signs up with.
#[derive(Debug)]
pub struct SignUp<'a> {
    /// The address, as typed.
    pub email: &'a str,
    /// The password, as typed.
    pub password: &'a str,
    /// A name to show.
    pub display_name: Option<String>,
    /// What the user says about themselves.
    pub user_metadata: Map<String, Value>,
}

/// Signs people up and in by password.
#[derive(Clone, Debug)]
pub struct PasswordService {
    core: Arc<Core>,
    pool: HashPool,
    policy: Arc<Policy>,
    sign_up: bool,
}

impl PasswordService {
    pub(super) fn new(core: Arc<Core>, pool: HashPool, policy: Policy, sign_up: bool) -> Self {
        Self { core, pool, policy: Arc::new(policy), sign_up }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// How many password hashes were computed since start.
    pub fn hashes(&self) -> u64 {
        self.pool.hashes()
    }

    /// Makes a user with a password and begins a session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SignUpDisabled`]; [`ErrorKind::InvalidEmail`];
    /// [`ErrorKind::WeakPassword`] with every reason; [`ErrorKind::EmailTaken`], at the
    /// price of the same one hash; [`ErrorKind::Unavailable`] when the store fails or too
    /// many hashes wait.
    pub async fn sign_up(
        &self,
        sign_up: SignUp<'_>,
        transport: Transport,
        client: Client,
    ) -> Result<(User, Issued), AuthError> {
        if !self.sign_up {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        let email = Email::parse(sign_up.email).map_err(|_| ErrorKind::InvalidEmail)?;
        let identifiers = [email.local_part(), sign_up.display_name.as_deref().unwrap_or_default()];
        let password = PasswordText::for_new(sign_up.password, &self.policy, &identifiers)
            .map_err(|weak| {
                let reasons: Vec<_> = weak.reasons.iter().map(|reason| reason.as_str()).collect();
                AuthError::new(ErrorKind::WeakPassword)
                    .with_member("reasons", reasons)
                    .with_member("min_length", weak.min_length)
            })?;
        let hash = self.pool.hash(password).await?;
        let now = whole_millis(self.core.clock.now());
        let user = User {
            email: Some(email),
            display_name: sign_up.display_name,
            user_metadata: sign_up.user_metadata,
            ..User::new(new_user_id(now)?, now)
        };
        let credential = password_credential(&user.id, &hash, now)?;
        match self.core.users.create_user(&user, Some(&credential)).await? {
            Creation::Created => {}
            Creation::EmailTaken | Creation::UsernameTaken => {
                let event = self.core.event(EventKind::SignUpRefused);
                self.core.events.record(event.ip(client.ip.as_deref()).reason("email_taken"));
                return Err(ErrorKind::EmailTaken.into());
            }
        }
        let event = self.core.event(EventKind::SignedUp).user(&user.id);
        self.core.events.record(event.ip(client.ip.as_deref()));
        let issued = self.core.sessions.begin(&user, Factor::Password, transport, client).await?;
        Ok((user, issued))
    }

    /// Begins a session for the user of an address and a password.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCredentials`] for an unknown or malformed address, a wrong
    /// password, a disabled user and an account without a password: one hash each, and
    /// none for a password longer than any can be. [`ErrorKind::Unavailable`] when the
    /// store fails or too many hashes wait.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        transport: Transport,
        client: Client,
    ) -> Result<(User, Issued), AuthError> {
        let Some(text) = PasswordText::for_check(password) else {
            return Err(self.refuse(None, &client, "too_long"));
        };
        let user = match Email::parse(email) {
            Ok(email) => self.core.users.find_user_by_email(&email).await?,
            Err(_) => None,
        };
        let credential = match &user {
            Some(user) => self.password_of(&user.id).await?,
            None => self.password_of(&UserId::new("")).await?,
        };
        let stored = credential.as_ref().and_then(stored_hash);
        let verified = self.pool.verify(text, stored.clone()).await?;
        let (Some(user), Some(credential)) = (user, credential) else {
            return Err(self.refuse(None, &client, "unknown"));
        };
        if verified.unusable {
            let event = self.core.event(EventKind::PasswordHashUnusable);
            self.core.events.record(event.user(&user.id));
        }
        if !verified.matches {
            return Err(self.refuse(Some(&user), &client, "wrong_password"));
        }
        if !user.is_active() {
            return Err(self.refuse(Some(&user), &client, "disabled"));
        }
        if verified.rehash {
            self.rehash(password, &credential).await;
        }
        let issued = self.core.sessions.begin(&user, Factor::Password, transport, client).await?;
        Ok((user, issued))
    }

    /// Makes a user whose password was hashed elsewhere: Argon2id or PBKDF2-SHA256, as a PHC
    /// string. Nothing is written when the address is taken.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the store fails.
    ///
    /// # Security
    ///
    /// The user signs in with whatever password the hash is of; it is hashed again with
    /// current parameters at that moment.
    pub async fn import(&self, user: &User, phc: &str) -> Result<Creation, AuthError> {
        let now = whole_millis(self.core.clock.now());
        let credential = password_credential(&user.id, phc, now)?;
        Ok(self.core.users.create_user(user, Some(&credential)).await?)
    }

    async fn password_of(&self, user: &UserId) -> Result<Option<Credential>, AuthError> {
        let kind = CredentialKind::Password;
        Ok(self.core.credentials.find_credential(kind, user.as_str()).await?)
    }

    fn refuse(&self, user: Option<&User>, client: &Client, reason: &'static str) -> AuthError {
        let event = self.core.event(EventKind::SignInFailed).ip(client.ip.as_deref());
        let event = match user {
            Some(user) => event.user(&user.id),
            None => event,
        };
        self.core.events.record(event.reason(reason));
        ErrorKind::InvalidCredentials.into()
    }

    /// Best effort: the sign-in stands whatever comes of it, and the next one tries again.
    async fn rehash(&self, password: &str, credential: &Credential) {
        let Some(text) = PasswordText::for_check(password) else { return };
        let now = whole_millis(self.core.clock.now());
        let replaced = match self.pool.hash(text).await {
            Ok(hash) => {
                let data = json!({ "hash": hash });
                self.core
                    .credentials
                    .replace_credential(&credential.id, &credential.data, &data, now)
                    .await
                    .map_err(AuthError::from)
            }
            Err(error) => Err(error.into()),
        };
        match replaced {
            Ok(true) => {
                let event = self.core.event(EventKind::PasswordRehashed);
                self.core.events.record(event.user(&credential.user_id));
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(?error, "a password was not hashed again"),
        }
    }
}

impl From<PoolError> for AuthError {
    fn from(error: PoolError) -> Self {
        Self::new(ErrorKind::Unavailable).because(error)
    }
}

fn stored_hash(credential: &Credential) -> Option<String> {
    credential.data.get("hash").and_then(Value::as_str).map(ToOwned::to_owned)
}

fn password_credential(user: &UserId, hash: &str, now: Timestamp) -> Result<Credential, AuthError> {
    Ok(Credential {
        id: new_user_id(now)?.as_str().to_owned(),
        user_id: user.clone(),
        kind: CredentialKind::Password,
        lookup: user.as_str().to_owned(),
        data: json!({ "hash": hash }),
        created_at: now,
        updated_at: now,
        last_used_at: None,
    })
}

/// A UUIDv7 of the clock's time (RFC 9562 §5.7).
fn new_user_id(now: Timestamp) -> Result<UserId, AuthError> {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()?).into_uuid();
    Ok(UserId::new(Uuid::to_string(&id)))
}
