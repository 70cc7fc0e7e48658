//! Sign-up and sign-in with a password, without HTTP.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value, json};

use super::login::Login;
use crate::{
    clock::whole_millis,
    crypto::password::{HashPool, NormalizedPassword, PoolError},
    error::{AuthError, ErrorKind},
    event::{EventKind, record_act},
    hook::RequestMembers,
    mail::MessageKind,
    model::{ClientInfo, Email, Factor, FactorProof, Session, TokenDelivery, User, UserId},
    services::Core,
    services::{
        AccountDraft, AnonymousSession, Asked, Letterhead, Outcome, PasswordChange, PasswordOf,
        SignInAttempt, SignUpData, Verified as FirstFactor, new_user_id, password_credential,
    },
    session::NewSession,
    store::{ChallengeKind, CreateUserOutcome, Credential, CredentialKind, UserOrigin},
};

/// The data of a sign-up.
///
/// ```
/// use authlayer::flow::password::SignUp;
///
/// let sign_up = SignUp::new("ada@example.com", "correct horse battery").display_name("Ada");
/// assert_eq!(sign_up.email, "ada@example.com");
/// ```
#[non_exhaustive]
pub struct SignUp<'a> {
    /// The email address as entered.
    pub email: &'a str,
    /// The password as entered.
    pub password: &'a str,
    /// The display name.
    pub display_name: Option<String>,
    /// The username as entered; ignored unless there are
    /// [usernames](crate::AuthBuilder::usernames).
    pub username: Option<String>,
    /// Metadata that the user provides.
    pub user_metadata: Map<String, Value>,
}

impl fmt::Debug for SignUp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp").field("email", &self.email).finish_non_exhaustive()
    }
}

impl<'a> SignUp<'a> {
    /// Creates a request with an email address and a password.
    pub fn new(email: &'a str, password: &'a str) -> Self {
        Self { email, password, display_name: None, username: None, user_metadata: Map::new() }
    }

    /// Sets the display name.
    #[must_use]
    pub fn display_name(self, name: impl Into<String>) -> Self {
        Self { display_name: Some(name.into()), ..self }
    }

    /// Sets the username; ignored unless there are [usernames](crate::AuthBuilder::usernames).
    ///
    /// ```
    /// # use authlayer::flow::password::SignUp;
    /// let sign_up = SignUp::new("ada@example.com", "correct horse battery").username("ada");
    /// ```
    #[must_use]
    pub fn username(self, username: impl Into<String>) -> Self {
        Self { username: Some(username.into()), ..self }
    }

    /// Sets the metadata that the user provides.
    #[must_use]
    pub fn user_metadata(self, metadata: Map<String, Value>) -> Self {
        Self { user_metadata: metadata, ..self }
    }
}

/// Signs users up and in with a password.
#[derive(Clone, Debug)]
pub struct PasswordService {
    pub(super) core: Arc<Core>,
    pub(super) pool: HashPool,
    sign_up: bool,
}

impl PasswordService {
    pub(super) fn new(core: Arc<Core>, pool: HashPool, sign_up: bool) -> Self {
        Self { core, pool, sign_up }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Returns the number of password hashes that were computed since start.
    pub fn hash_count(&self) -> u64 {
        self.pool.hash_count()
    }

    /// Creates the user of a sign-up. If the user of `current` is anonymous, that user gets the
    /// email address and the password and retains the id, and a new session replaces all existing
    /// ones. If the session has ended when the sign-up completes, another user is created.
    pub(super) async fn sign_up_from_session(
        &self,
        current: Option<(&User, &Session)>,
        sign_up: SignUp<'_>,
        delivery: TokenDelivery,
        client: ClientInfo,
        members: &RequestMembers,
    ) -> Result<Outcome, AuthError> {
        let (anonymous, anonymous_session) = AnonymousSession::of(current).unzip();
        if !self.sign_up {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        self.core.limits.sign_up(client.ip.as_deref()).await?;
        let username = self.core.chosen_username(sign_up.username.as_deref())?;
        let email = Email::parse(sign_up.email).map_err(|_| ErrorKind::InvalidEmail)?;
        let now = whole_millis(self.core.clock.now());
        let wanted = User {
            email: Some(email.clone()),
            username: username.map(|name| name.to_string()),
            display_name: sign_up.display_name,
            user_metadata: sign_up.user_metadata,
            ..User::new(new_user_id(now)?, now)
        };
        let (wanted, kept) = self.core.may_sign_up(wanted, &client, Some(members)).await?;
        if self.core.codes().is_none_or(|policy| !policy.sign_up) {
            self.core.may_sign_in(&wanted, Factor::Password, &client).await?;
        }
        let turn = self.core.limits.turn(client.ip.as_deref(), email.as_str());
        let of = PasswordOf::New(&wanted);
        let hash = self.core.passwords()?.hash_new(&turn, sign_up.password, of).await?;
        if self.core.is_username_taken(&wanted, anonymous.as_ref()).await? {
            return Err(self.sign_up_refused(ErrorKind::UsernameTaken, &client));
        }
        if self.core.codes().is_some_and(|policy| policy.sign_up) {
            let from = anonymous.zip(anonymous_session);
            let data = SignUpData::new(wanted, kept, delivery).password(hash).from(from);
            return self.core.ask_for_proof(email, data, &client).await.map(Outcome::Pending);
        }
        let credential = password_credential(&wanted.id, &hash, now)?;
        let account = AccountDraft {
            user: &wanted,
            credential: Some(&credential),
            anonymous: anonymous.as_ref(),
            anonymous_session,
            kept,
        };
        let proof = FactorProof::new(Factor::Password, whole_millis(self.core.clock.now()));
        let beginning = NewSession::new(vec![proof], delivery, client.clone());
        let (user, issued) = match self.core.take_in(account, beginning).await?.created() {
            Ok(made) => made,
            Err(CreateUserOutcome::Refused) => return Err(ErrorKind::SignUpDisabled.into()),
            Err(CreateUserOutcome::UsernameTaken) => {
                return Err(self.sign_up_refused(ErrorKind::UsernameTaken, &client));
            }
            Err(_) => return Err(self.sign_up_refused(ErrorKind::EmailTaken, &client)),
        };
        self.core.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }

    fn sign_up_refused(&self, kind: ErrorKind, client: &ClientInfo) -> AuthError {
        let event = self.core.event(EventKind::SignUpRefused);
        self.core.events.record(event.client(client).reason(kind.code()));
        kind.into()
    }

    /// Changes the password of a user on a session.
    pub(super) async fn change(
        &self,
        user: &User,
        session: &Session,
        current: &str,
        new: &str,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let turn = self.core.limits.turn(client.ip.as_deref(), user.id.as_str());
        let credential = self.require_current(user, current, &client).await?;
        let current = FirstFactor::password(&credential);
        let of = PasswordOf::Existing(user);
        let hash = self.core.passwords()?.hash_new(&turn, new, of).await?;
        let wants_code = self.core.codes().is_some_and(|policy| policy.change);
        if let Some(email) = user.email.as_ref().filter(|_| wants_code) {
            let mut data = Map::new();
            data.insert("hash".to_owned(), hash.into());
            data.insert("session".to_owned(), json!(session.id));
            data.insert("current".to_owned(), json!(current));
            let kind = ChallengeKind::PasswordChange;
            let letter = Letterhead { kind: MessageKind::ChangeCode, to: email, user: Some(user) };
            let asked = Asked { kind, letter, decoy: false, data, client: &client };
            let pending = self.core.ask(asked).await?;
            return Ok(Outcome::Pending(pending));
        }
        let current = Some(current.requirement());
        let change = PasswordChange { hash: &hash, current, is_verified: true };
        self.core.change_password(user, session, change, &client).await
    }

    /// Signs in the user with an email address or a username and a password on a device. Attempts
    /// with a username are counted for its account.
    pub(super) async fn sign_in_on(
        &self,
        login: &Login<'_>,
        password: &str,
        device: Option<String>,
        delivery: TokenDelivery,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let ip = client.ip.as_deref();
        let named = async {
            Ok::<_, AuthError>(match login {
                Login::Username(name) => self.core.users.find_user_by_username(name).await?,
                _ => None,
            })
        };
        let counting = self.core.count_password(login.text(), named, device.as_deref(), ip);
        let attempt = counting.await?;
        let Some(text) = NormalizedPassword::parse_existing(password) else {
            return Err(self.refuse(None, &client, "too_long"));
        };
        let user = match login {
            Login::Email(email) => self.core.users.find_user_by_email(email).await?,
            _ => attempt.named,
        };
        let turn = self.core.limits.turn(ip, &attempt.account);
        let (verified, credential, all) = self.check(user.as_ref(), &turn, password, text).await?;
        let Some(user) = user else {
            return Err(self.refuse(None, &client, "unknown"));
        };
        if verified.unusable {
            let event = self.core.event(EventKind::PasswordHashUnusable);
            self.core.events.record(event.user(&user.id));
        }
        let Some(credential) = credential.filter(|_| verified.matches) else {
            self.core.tell_if_locked(&user, &attempt.counted, &client);
            return Err(self.refuse(Some(&user), &client, "wrong_password"));
        };
        if !user.is_active() {
            return Err(self.refuse(Some(&user), &client, "disabled"));
        }
        self.core.limits.succeeded(attempt.counted).await;
        let device = attempt.device;
        if verified.rehash {
            self.rehash(&turn, password, &credential).await;
        }
        let proof = FactorProof::new(Factor::Password, whole_millis(self.core.clock.now()));
        let verified = Some(FirstFactor::password(&credential));
        let attempt = SignInAttempt::new(user, proof, delivery, client);
        let attempt = SignInAttempt { device, verified, credentials: Some(all), ..attempt };
        let outcome = self.core.finish_sign_in(attempt).await?;
        self.core.is_still(&credential, outcome).await
    }

    /// Creates a user with an existing password hash: Argon2id or PBKDF2-SHA256, as a PHC string.
    /// Writes nothing if the email address is registered. If there are
    /// [usernames](crate::AuthBuilder::usernames), the username is normalized.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMembers`] if the username is invalid; [`ErrorKind::Unavailable`] if the
    /// store fails.
    ///
    /// # Security
    ///
    /// The user can sign in with the password of this hash, which is then hashed again with current
    /// parameters.
    pub async fn import(&self, user: &User, phc: &str) -> Result<CreateUserOutcome, AuthError> {
        let now = whole_millis(self.core.clock.now());
        let credential = password_credential(&user.id, phc, now)?;
        let mut user = user.clone();
        let named = self.core.usernames.normalize(&mut user);
        named.map_err(|_| AuthError::invalid_username())?;
        let origin = UserOrigin::Import;
        let made = self.core.users.create_user(&user, Some(&credential), origin.into()).await?;
        if let CreateUserOutcome::Created(user) = &made {
            let event = self.core.event(EventKind::UserCreated).user(&user.id);
            record_act(&*self.core.events, event.with("origin", origin.as_str()), None);
        }
        Ok(made)
    }

    pub(super) async fn password_of(&self, user: &UserId) -> Result<Option<Credential>, AuthError> {
        let kind = CredentialKind::Password;
        Ok(self.core.credentials.find_credential(kind, user.as_str()).await?)
    }

    fn refuse(&self, user: Option<&User>, client: &ClientInfo, reason: &'static str) -> AuthError {
        let event = self.core.event(EventKind::SignInFailed).client(client);
        let event = match user {
            Some(user) => event.user(&user.id),
            None => event,
        };
        self.core.events.record(event.reason(reason));
        ErrorKind::InvalidCredentials.into()
    }

    /// Hashes the password again, as best effort: an error does not affect the sign-in, and the
    /// next one tries again.
    async fn rehash(&self, turn: &str, password: &str, credential: &Credential) {
        let Some(text) = NormalizedPassword::parse_existing(password) else { return };
        let replaced = match self.pool.hash(turn, text).await {
            Ok(hash) => {
                let data = json!({ "hash": hash });
                // The time of change is retained, since the password is the same: a concurrent
                // sign-in must not consider it changed.
                let (id, unchanged) = (&credential.id, credential.updated_at);
                self.core
                    .credentials
                    .replace_credential(id, &credential.data, &data, unchanged)
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
            Err(error) => tracing::warn!(?error, "a password could not be hashed again"),
        }
    }
}

impl From<PoolError> for AuthError {
    fn from(error: PoolError) -> Self {
        Self::new(ErrorKind::Unavailable).with_source(error)
    }
}
