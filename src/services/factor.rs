//! Second factors of sign-ins and step-ups.

use std::{future::Future, pin::Pin, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Client, Core,
    credentials::{CredentialUse, Credentials},
    delivery::{self, Delivery},
};
use crate::{
    crypto::{
        digest::Digest,
        handle::{self, OneTimeToken},
    },
    error::{AuthError, ErrorKind},
    model::{Factor, FactorProof, Session, Strength, User},
    session::AuthUser,
    store::{Credential, CredentialKind},
};

/// A second factor, such as email codes or passkeys.
///
/// The caller counts, limits and consumes attempts; an implementation only compares the response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a second factor",
    note = "implement `authlayer::SecondFactor` for it"
)]
pub trait SecondFactor: Send + Sync + 'static {
    /// Returns the factor that a successful check adds to the session. Its name is the method in
    /// requests and responses.
    fn factor(&self) -> Factor;

    /// Returns the strength.
    fn strength(&self) -> Strength;

    /// Returns `true` if the user of the account has this factor. Does no I/O.
    fn is_enrolled(&self, account: &Account) -> bool;

    /// Returns `true` if the factor is offered for a use; by default if it is enrolled.
    fn is_offered(&self, account: &Account, _factor_use: FactorUse<'_>) -> bool {
        self.is_enrolled(account)
    }

    /// Returns `true` if a sign-in requires a second factor although the user has not enabled
    /// two-step verification.
    fn is_required(&self, _account: &Account, _verified: &[FactorProof]) -> bool {
        false
    }

    /// Returns `true` if enrolling the factor enables two-step verification; by default from
    /// [`Strength::OneTimeCode`].
    fn turns_on_two_step(&self, account: &Account) -> bool {
        self.strength() >= Strength::OneTimeCode && self.is_enrolled(account)
    }

    /// Returns how the user answers it; by default with a code or another text.
    fn input(&self) -> FactorInput {
        FactorInput::Code
    }

    /// Returns the error for a wrong answer, or for a user who is not offered this factor.
    fn error(&self, failure: FactorFailure) -> ErrorKind {
        match failure {
            FactorFailure::Rejected => ErrorKind::InvalidCode,
            FactorFailure::NotOffered => ErrorKind::NotFound,
        }
    }

    /// Prepares the factor when the client selects it: sends a code, or returns options. By default
    /// it does nothing.
    fn prompt(
        &self,
        _prompt: &mut Prompt<'_>,
    ) -> impl Future<Output = Result<(), AuthError>> + Send {
        async { Ok(()) }
    }

    /// Compares the response of the user.
    fn check(
        &self,
        attempt: &FactorAttempt<'_>,
    ) -> impl Future<Output = Result<FactorCheck, AuthError>> + Send;
}

/// The purpose of a factor.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FactorUse<'a> {
    /// The second step of a sign-in, after these factors.
    SignIn {
        /// The factors that were verified before.
        verified: &'a [FactorProof],
    },
    /// Recent authentication of a session.
    StepUp {
        /// The session.
        session: &'a Session,
    },
}

/// How the user answers a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactorInput {
    /// With a code or another text, at `POST /verify`.
    Code,
    /// With a script of the page, at a route of the flow.
    Script,
}

/// Why a factor was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactorFailure {
    /// The response is wrong.
    Rejected,
    /// The user is not offered this factor.
    NotOffered,
}

/// The result of comparing a response.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum FactorCheck {
    /// The response is wrong.
    Rejected,
    /// The response is right.
    Accepted,
    /// The response is right, if this use of a credential can be recorded with the session.
    AcceptedUsing(CredentialUse),
    /// As [`AcceptedUsing`](Self::AcceptedUsing), but it verified another factor than
    /// [`SecondFactor::factor`], such as a security key in place of a passkey.
    AcceptedAs(Factor, CredentialUse),
}

/// A user and the user's credentials, loaded once for a request.
#[derive(Clone, Debug)]
pub struct Account {
    user: User,
    credentials: Vec<Credential>,
}

impl Account {
    pub(crate) fn new(user: User, credentials: Vec<Credential>) -> Self {
        Self { user, credentials }
    }

    /// Returns the user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the credentials of a kind, oldest first.
    pub fn credentials<T: DeserializeOwned>(
        &self,
        kind: &Credentials<T>,
    ) -> Vec<super::credentials::Credential<T>> {
        self.of_kind(kind.kind()).filter_map(super::credentials::Credential::read).collect()
    }

    /// Returns the number of credentials of a kind.
    pub fn count<T>(&self, kind: &Credentials<T>) -> usize {
        self.of_kind(kind.kind()).count()
    }

    pub(crate) fn all(&self) -> &[Credential] {
        &self.credentials
    }

    pub(crate) fn of_kind(&self, kind: CredentialKind) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().filter(move |own| own.kind == kind)
    }
}

/// A selected factor of a pending sign-in or of a step-up.
pub struct Prompt<'a> {
    pub(super) core: &'a Core,
    pub(super) client: &'a Client,
    pub(super) account: &'a Account,
    pub(super) handle: &'a OneTimeToken,
    pub(super) factor: Factor,
    pub(super) verified: Vec<FactorProof>,
    pub(super) session: Option<AuthUser>,
    pub(super) sent: Option<Sent>,
    pub(super) state: Option<Value>,
    pub(super) options: Option<Value>,
}

/// A code of a prompt, which is delivered after it was stored with the challenge.
pub(super) struct Sent {
    pub(super) code: Digest,
    pub(super) delivery: delivery::Prepared,
}

impl Prompt<'_> {
    /// Returns the user and the credentials.
    pub fn account(&self) -> &Account {
        self.account
    }

    /// Returns the client of the request.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// Returns the purpose: the second step of a sign-in, or the step-up of a session.
    pub fn factor_use(&self) -> FactorUse<'_> {
        match &self.session {
            Some(user) => FactorUse::StepUp { session: user.session() },
            None => FactorUse::SignIn { verified: &self.verified },
        }
    }

    /// Delivers a code to a recipient, with the options and the delivery of `codes` and within the
    /// limits of messages. Only this challenge accepts it: [`FactorAttempt::is_sent_code`] tells.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`] if the delivery queue is full.
    pub async fn send_code<T>(
        &mut self,
        codes: &super::CodeChallenges<T>,
        to: &str,
    ) -> Result<(), AuthError> {
        self.send(codes.delivery(), to).await
    }

    pub(super) async fn send(&mut self, delivery: &Delivery, to: &str) -> Result<(), AuthError> {
        let prepared = delivery.prepare(self.core, self.client.info(), to).await?;
        let code = handle::random_code(delivery.options.digits)?;
        let locale = super::code::locale_of(self.account.user());
        let locale = locale.or(self.client.info().language.as_deref());
        let delivery = prepared.with_code(&code, locale);
        self.sent = Some(Sent { code: self.handle.bind_code(&code), delivery });
        Ok(())
    }

    /// Stores a value for [`FactorAttempt::state`]. A value that cannot be written as JSON is not
    /// stored.
    pub fn set_state<T: Serialize>(&mut self, state: &T) {
        self.state = serde_json::to_value(state).ok();
    }

    /// Returns a value to the client together with the challenge, such as options of a ceremony.
    pub fn set_options<T: Serialize>(&mut self, options: &T) {
        self.options = serde_json::to_value(options).ok();
    }
}

impl std::fmt::Debug for Prompt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prompt").field("factor", &self.factor).finish_non_exhaustive()
    }
}

/// A response to a pending sign-in or to a step-up.
pub struct FactorAttempt<'a> {
    pub(super) client: &'a Client,
    pub(super) account: &'a Account,
    pub(super) code: String,
    pub(super) answer: Option<Value>,
    pub(super) is_sent_code: bool,
    pub(super) state: Option<Value>,
    pub(super) now: Timestamp,
}

impl FactorAttempt<'_> {
    /// Returns the user and the credentials.
    pub fn account(&self) -> &Account {
        self.account
    }

    /// Returns the client of the request.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// Returns an answer that is not text, as passed to
    /// [`PendingChallenges::verify_with`](super::PendingChallenges::verify_with). `None` if it has
    /// another form, or if the answer is text.
    pub fn answer<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.answer.clone()?).ok()
    }

    /// Returns the text that the user entered, without spaces and hyphens. Empty if the answer is
    /// not text.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns `true` if the text equals the code that the prompt of this factor sent. It was
    /// compared in constant time.
    pub fn is_sent_code(&self) -> bool {
        self.is_sent_code
    }

    /// Returns the time of the attempt, by the clock of the configuration.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the value that the prompt stored.
    pub fn state<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.state.clone()?).ok()
    }
}

/// Redacted: the response may be a secret.
impl std::fmt::Debug for FactorAttempt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactorAttempt").finish_non_exhaustive()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

/// The object-safe form of [`SecondFactor`].
pub(crate) trait AnyFactor: Send + Sync {
    fn factor(&self) -> Factor;
    fn strength(&self) -> Strength;
    fn is_offered(&self, account: &Account, factor_use: FactorUse<'_>) -> bool;
    fn is_required(&self, account: &Account, verified: &[FactorProof]) -> bool;
    fn turns_on_two_step(&self, account: &Account) -> bool;
    fn input(&self) -> FactorInput;
    fn is_enrolled(&self, account: &Account) -> bool;
    fn error(&self, failure: FactorFailure) -> ErrorKind;
    fn prompt<'a, 'b: 'a>(&'a self, prompt: &'a mut Prompt<'b>) -> Boxed<'a, ()>;
    fn check<'a, 'b: 'a>(&'a self, attempt: &'a FactorAttempt<'b>) -> Boxed<'a, FactorCheck>;
}

impl<F: SecondFactor> AnyFactor for F {
    fn factor(&self) -> Factor {
        SecondFactor::factor(self)
    }

    fn strength(&self) -> Strength {
        SecondFactor::strength(self)
    }

    fn is_offered(&self, account: &Account, factor_use: FactorUse<'_>) -> bool {
        SecondFactor::is_offered(self, account, factor_use)
    }

    fn is_required(&self, account: &Account, verified: &[FactorProof]) -> bool {
        SecondFactor::is_required(self, account, verified)
    }

    fn turns_on_two_step(&self, account: &Account) -> bool {
        SecondFactor::turns_on_two_step(self, account)
    }

    fn input(&self) -> FactorInput {
        SecondFactor::input(self)
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        SecondFactor::is_enrolled(self, account)
    }

    fn error(&self, failure: FactorFailure) -> ErrorKind {
        SecondFactor::error(self, failure)
    }

    fn prompt<'a, 'b: 'a>(&'a self, prompt: &'a mut Prompt<'b>) -> Boxed<'a, ()> {
        Box::pin(SecondFactor::prompt(self, prompt))
    }

    fn check<'a, 'b: 'a>(&'a self, attempt: &'a FactorAttempt<'b>) -> Boxed<'a, FactorCheck> {
        Box::pin(SecondFactor::check(self, attempt))
    }
}

/// The second factors that flows registered, strongest first.
#[derive(Default)]
pub(crate) struct Factors(pub(crate) Vec<Arc<dyn AnyFactor>>);

impl Core {
    /// Returns the registered second factors, strongest first.
    pub(crate) fn factors(&self) -> &[Arc<dyn AnyFactor>] {
        self.offered::<Factors>().map_or(&[], |factors| &factors.0)
    }

    /// Returns a registered factor by its name in requests and responses.
    pub(crate) fn factor(&self, name: &str) -> Option<&Arc<dyn AnyFactor>> {
        self.factors().iter().find(|factor| factor.factor().as_str() == name)
    }

    /// Loads a user with all credentials.
    pub(crate) async fn account(&self, user: &User) -> Result<Account, AuthError> {
        Ok(Account::new(user.clone(), self.credentials.list_credentials(&user.id).await?))
    }
}
