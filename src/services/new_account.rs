//! Sign-ups by flows outside this crate.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Client, Consumed, Core, Credentials, Outcome, SignIn, SignInOutcome,
    credentials::TAKEN,
    outcome::SignUpOutcome,
    sign_in::SignInAttempt,
    sign_up::{AccountDraft, AnonymousSession},
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    hook::Purpose,
    model::{Email, Factor, FactorProof, User, UserId},
    session::NewSession,
    store::{CreateUserOutcome, Creation, Credential, UserOrigin},
    users::NewUser,
};

/// A user to create and to sign in, with the evidence that the sign-up requires.
///
/// ```
/// use authlayer::{
///     AuthError, Client, Factor, SignInOutcome,
///     services::{Consumed, Credentials, NewAccount, Services},
///     users::NewUser,
/// };
///
/// const SMS: Factor = Factor::custom("sms");
///
/// async fn sign_up(
///     services: &Services,
///     phones: &Credentials<()>,
///     client: &Client,
///     code: Consumed<()>,
/// ) -> Result<SignInOutcome, AuthError> {
///     let phone = code.recipient().to_owned();
///     let user = NewUser::new().phone(&phone);
///     let account = NewAccount::new(user).credential(phones, &phone, ()).challenge(SMS, code);
///     services.sign_in().sign_up(client, account).await
/// }
/// ```
#[derive(Debug)]
#[must_use = "`SignIn::sign_up` creates the user"]
pub struct NewAccount {
    user: NewUser,
    factors: Vec<Factor>,
    emails: Vec<Email>,
    credentials: Vec<Result<Credential, AuthError>>,
}

impl NewAccount {
    /// Creates an account without evidence. Add a challenge, a credential or an assertion, unless the
    /// user is anonymous.
    ///
    /// ```
    /// # use authlayer::{services::NewAccount, users::NewUser};
    /// let account = NewAccount::new(NewUser::new().anonymous());
    /// ```
    pub fn new(user: NewUser) -> Self {
        Self { user, factors: Vec::new(), emails: Vec::new(), credentials: Vec::new() }
    }

    /// Adds a challenge that was consumed. One that was sent by email verifies the email address of
    /// the user, or sets it if there is none.
    ///
    /// ```
    /// use authlayer::{Factor, services::{Consumed, NewAccount}, users::NewUser};
    ///
    /// fn by_email(code: Consumed<()>) -> NewAccount {
    ///     NewAccount::new(NewUser::new()).challenge(Factor::EmailCode, code)
    /// }
    /// ```
    pub fn challenge<T: DeserializeOwned>(mut self, factor: Factor, consumed: Consumed<T>) -> Self {
        self.emails.extend(consumed.verified_email());
        self.asserted(factor)
    }

    /// Adds a factor that was verified outside this crate.
    ///
    /// ```
    /// # use authlayer::{Factor, services::NewAccount};
    /// const CARD: Factor = Factor::custom("id_card");
    ///
    /// fn by_card(account: NewAccount) -> NewAccount {
    ///     account.asserted(CARD)
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// The caller is responsible for the verification.
    pub fn asserted(mut self, factor: Factor) -> Self {
        factor.register();
        self.factors.push(factor);
        self
    }

    /// Adds the credential that is created in one transaction with the user, and the
    /// [factor](super::CredentialOptions::factor) of its kind. An account has at most one.
    ///
    /// ```
    /// # use authlayer::services::{Credentials, NewAccount};
    /// fn with_phone(account: NewAccount, phones: &Credentials<()>) -> NewAccount {
    ///     account.credential(phones, "+4915112345678", ())
    /// }
    /// ```
    pub fn credential<T>(mut self, kind: &Credentials<T>, lookup: &str, data: T) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.credentials.push(kind.new_row(&UserId::new(""), lookup, data));
        self.factors.extend(kind.factor());
        self
    }
}

impl SignIn {
    /// Creates a user with the credential, and a session. The anonymous user of the client's session
    /// becomes this user and keeps the id. A verified email address takes over the unverified
    /// account that has it.
    ///
    /// The response to a new user is 201.
    ///
    /// ```
    /// # use authlayer::{AuthError, Client, SignInOutcome, services::{NewAccount, Services}};
    /// # async fn doc(services: Services, client: &Client, account: NewAccount) -> Result<SignInOutcome, AuthError> {
    /// services.sign_in().sign_up(client, account).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EmailTaken`]; [`ErrorKind::UsernameTaken`]; `credential_taken` (409);
    /// [`ErrorKind::SignUpDisabled`] if the application rejects the user; the error of a hook;
    /// [`ErrorKind::Misconfigured`] without evidence; [`ErrorKind::RateLimited`] for the network;
    /// [`ErrorKind::Unavailable`].
    pub async fn sign_up(
        &self,
        client: &Client,
        account: NewAccount,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.core()?;
        client.begin(&core, Purpose::SignUp).await?;
        let outcome = core.create_account(client, account).await?;
        Ok(core.respond(client, outcome).await.of_new_user())
    }
}

impl Core {
    async fn create_account(
        &self,
        client: &Client,
        account: NewAccount,
    ) -> Result<Outcome, AuthError> {
        let NewAccount { mut user, factors, emails, credentials } = account;
        if factors.is_empty() && !user.user().is_anonymous {
            return Err(AuthError::misconfigured("a sign-up without a verified factor"));
        }
        if credentials.len() > 1 {
            return Err(AuthError::misconfigured("a sign-up with more than one credential"));
        }
        let credential = credentials.into_iter().next().transpose()?;
        let (info, now) = (client.info(), whole_millis(self.clock.now()));
        let delivery = client.options().delivery(self)?;
        self.limits.sign_up(info.ip.as_deref()).await?;
        for email in &emails {
            user = user.verified(email, now);
        }
        let keeps_username = user.keeps_username();
        let username = self.chosen_username(user.user().username.as_deref())?;
        let mut user = user.into_user(now)?;
        user.username = username.map(|name| name.to_string());
        let (user, kept) = self.may_sign_up(user, info, Some(client.members())).await?;
        if let Some(first) = factors.first() {
            self.may_sign_in(&user, *first, info).await?;
        }
        let credential = credential.map(|own| Credential { user_id: user.id.clone(), ..own });
        let current = client.context().anonymous().await?;
        let current = current.as_ref().map(|auth| (auth.user(), auth.session()));
        let (anonymous, anonymous_session) = AnonymousSession::of(current).unzip();
        let proofs: Vec<_> = factors.iter().map(|own| FactorProof::new(*own, now)).collect();
        let draft = AccountDraft {
            user: &user,
            credential: credential.as_ref(),
            anonymous: anonymous.as_ref(),
            anonymous_session,
            kept,
        };
        if let Some(first) = proofs.first().filter(|_| self.wants_verification(&user)) {
            let origin = Creation::new(UserOrigin::SignUp, draft.kept);
            let made = self.users.create_user(&user, draft.credential, origin).await?;
            let user = match made {
                CreateUserOutcome::Created(user) => *user,
                refused => return Err(refusal(&refused)),
            };
            self.record_signed_up(&user.id, info, true);
            let attempt = SignInAttempt::new(user, *first, delivery, info.clone());
            return self.finish_sign_in(SignInAttempt { proofs, ..attempt }).await;
        }
        let beginning = NewSession::new(proofs, delivery, info.clone());
        let unnamed = User { username: None, ..user.clone() };
        let mut made = self.take_in(draft.clone(), beginning.clone()).await?;
        if matches!(made, SignUpOutcome::Rejected(CreateUserOutcome::UsernameTaken))
            && !keeps_username
        {
            let draft = AccountDraft { user: &unnamed, ..draft.clone() };
            made = self.take_in(draft, beginning.clone()).await?;
        }
        let (user, issued) = match made.created() {
            Ok(made) => made,
            Err(CreateUserOutcome::EmailTaken) if user.email_verified_at.is_some() => {
                let wanted = if keeps_username { &user } else { &unnamed };
                self.take_over(wanted, draft.credential, &draft.kept, beginning).await?
            }
            Err(refused) => return Err(refusal(&refused)),
        };
        self.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }

    /// Returns `true` if the application requires that the email address of a new user is verified
    /// before there is a session.
    fn wants_verification(&self, user: &User) -> bool {
        user.email.is_some()
            && user.email_verified_at.is_none()
            && self.codes().is_some_and(|policy| policy.sign_up)
    }
}

fn refusal(outcome: &CreateUserOutcome) -> AuthError {
    match outcome {
        CreateUserOutcome::UsernameTaken => ErrorKind::UsernameTaken.into(),
        CreateUserOutcome::CredentialTaken => TAKEN.into(),
        CreateUserOutcome::Refused => ErrorKind::SignUpDisabled.into(),
        _ => ErrorKind::EmailTaken.into(),
    }
}
