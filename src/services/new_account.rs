//! Sign-ups by flows outside this crate.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Client, Consumed, Core, Credentials, Outcome, SessionTag, SignIn, SignInOutcome,
    credentials::TAKEN,
    outcome::SignUpOutcome,
    pending_sign_up::SignUpData,
    sign_up::{AccountDraft, AnonymousSession},
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    hook::Purpose,
    model::{Email, Factor, FactorProof, User, UserId},
    session::NewSession,
    store::{CreateUserOutcome, Credential},
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
    credentials: Vec<(Result<Credential, AuthError>, Option<Factor>)>,
    tags: Vec<SessionTag>,
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
        let (factors, emails, credentials, tags) = Default::default();
        Self { user, factors, emails, credentials, tags }
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
        self.credentials.push((kind.new_row(&UserId::new(""), lookup, data), kind.factor()));
        self.factors.extend(kind.factor());
        self
    }

    /// Tags the session, for [`Sessions::revoke_tagged`](crate::session::Sessions::revoke_tagged).
    ///
    /// ```
    /// # use authlayer::services::{NewAccount, SessionTag};
    /// # fn doc(account: NewAccount, terminal: &str) -> NewAccount {
    /// account.tag(SessionTag::new("kiosk", terminal))
    /// # }
    /// ```
    pub fn tag(mut self, tag: SessionTag) -> Self {
        self.tags.push(tag);
        self
    }
}

impl SignIn {
    /// Creates a user with the credential, and a session. The anonymous user of the client's session
    /// becomes this user and keeps the id. A verified email address takes over the unverified
    /// account that has it. If the application requires verified email addresses and the evidence
    /// includes none, an email code is requested and the user is created once it is verified.
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
        let NewAccount { mut user, factors, emails, credentials, tags } = account;
        if factors.is_empty() && !user.user().is_anonymous {
            return Err(AuthError::misconfigured("a sign-up without a verified factor"));
        }
        if credentials.len() > 1 {
            return Err(AuthError::misconfigured("a sign-up with more than one credential"));
        }
        let (credential, of_kind) = credentials.into_iter().next().unzip();
        let (credential, of_kind) = (credential.transpose()?, of_kind.flatten());
        let (info, now) = (client.info(), whole_millis(self.clock.now()));
        let delivery = client.options().delivery(self).await?;
        self.limits.sign_up(info.ip.as_deref()).await?;
        for email in &emails {
            user = user.verified(email, now);
        }
        let keeps_username = user.keeps_username();
        let username = self.chosen_username(user.user().username.as_deref())?;
        let mut user = user.into_user(now)?;
        user.username = username.map(|name| name.to_string());
        let (user, kept) = self.may_sign_up(user, info, Some(client.members())).await?;
        let credential = credential.map(|own| Credential { user_id: user.id.clone(), ..own });
        let current = client.context().anonymous().await?;
        let current = current.as_ref().map(|auth| (auth.user(), auth.session()));
        let anonymous = AnonymousSession::of(current);
        let proof = |factor: &Factor| match &credential {
            Some(own) if of_kind == Some(*factor) => FactorProof::new(*factor, now).by(&own.id),
            _ => FactorProof::new(*factor, now),
        };
        let proofs: Vec<_> = factors.iter().map(proof).collect();
        if let Some(email) = self.unverified_email(&user) {
            let taken_by = anonymous.as_ref().map(|(id, _)| id);
            if keeps_username && self.is_username_taken(&user, taken_by).await? {
                return Err(ErrorKind::UsernameTaken.into());
            }
            let data = SignUpData::new(user, kept, delivery).from(anonymous);
            let data = data.verified(proofs, credential, tags);
            return self.ask_for_proof(email, data, info).await.map(Outcome::Pending);
        }
        if let Some(first) = factors.first() {
            self.may_sign_in(&user, *first, info).await?;
        }
        let (anonymous, anonymous_session) = anonymous.unzip();
        let draft = AccountDraft {
            user: &user,
            credential: credential.as_ref(),
            anonymous: anonymous.as_ref(),
            anonymous_session,
            kept,
        };
        let beginning = NewSession { tags, ..NewSession::new(proofs, delivery, info.clone()) };
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

    /// Returns the email address of a new user that must be verified before there is a user.
    fn unverified_email(&self, user: &User) -> Option<Email> {
        let is_required = self.codes().is_some_and(|policy| policy.sign_up);
        user.email.clone().filter(|_| is_required && user.email_verified_at.is_none())
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
