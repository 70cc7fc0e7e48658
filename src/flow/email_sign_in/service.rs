//! Sign-in by email alone, without HTTP.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::Purpose,
    model::{Email, Factor, FactorProof, User},
    services::{
        AccountDraft, AnonymousSession, Client, CodeChallenges, CodeHandler, Consumed, Core,
        Outcome, Owner, PendingChallenge, Services, SignInAttempt, SignInOutcome, new_user_id,
    },
    session::NewSession,
    store::CreateUserOutcome,
};

/// The name of the challenges, by which their messages are counted.
pub(super) const PURPOSE: &str = "email_sign_in";

/// Sends codes and links, and signs in users with them.
#[derive(Clone, Debug)]
pub struct EmailSignInService {
    services: Services,
    pub(super) codes: CodeChallenges<SignInRequest>,
    allow_sign_up: bool,
}

/// The data of a request, for a user who does not exist yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SignInRequest {
    display_name: Option<String>,
    /// Further members of the request, for hooks.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    members: Map<String, Value>,
}

impl EmailSignInService {
    pub(super) fn new(
        services: Services,
        codes: CodeChallenges<SignInRequest>,
        allow_sign_up: bool,
    ) -> Self {
        Self { services, codes, allow_sign_up }
    }

    /// Sends a code and a link to an email address. The response, the statements and the limits do
    /// not depend on whether the address is registered. `display_name` is that of a new user.
    ///
    /// `POST /verify` and [`PendingChallenges`](crate::services::PendingChallenges) verify the code.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidEmail`] if the email address is invalid.
    /// - [`ErrorKind::InvalidRedirect`] if the return target of the client is not allowed.
    /// - [`ErrorKind::RateLimited`] by IP network.
    /// - [`ErrorKind::Unavailable`] if the store fails or the mail queue is full.
    pub async fn start(
        &self,
        client: &Client,
        email: &str,
        display_name: Option<String>,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.services.core()?;
        client.begin(&core, Purpose::EmailSignIn).await?;
        let Ok(email) = Email::parse(email) else {
            core.limits.mail_from(PURPOSE, client.info().ip.as_deref()).await?;
            return Err(ErrorKind::InvalidEmail.into());
        };
        let members = client.members().further(&core.hooks);
        let (data, to) = (SignInRequest { display_name, members }, email.as_str());
        match core.users.find_user_by_email(&email).await? {
            Some(user) if user.is_active() => self.codes.issue_to(client, &user, to, data).await,
            None if self.allows_sign_up(&core) => {
                self.codes.issue(client, Owner::ANYONE, to, data).await
            }
            _ => self.codes.issue_decoy(client, to, None).await,
        }
    }

    /// Signs in with the token of a link. Without `confirm` it must come from the browser that
    /// requested the link, and no other user may be signed in there.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::ConfirmRequired`] with the masked `address`; the link can be used again.
    /// - [`ErrorKind::InvalidLink`] for a link that is unknown, used, expired or replaced, or whose
    ///   user is disabled or has another email address.
    /// - [`ErrorKind::EmailTaken`] if another user has verified the address of a new user in the
    ///   meantime.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn follow_link(
        &self,
        client: &Client,
        token: &str,
        confirm: bool,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.services.core()?;
        let link = self.codes.peek_link(client, token).await?;
        if !confirm {
            let current = client.context().signed_in().await?;
            let is_other = current.is_some_and(|own| {
                !own.user().is_anonymous && link.user_id() != Some(&own.user().id)
            });
            if is_other || !link.is_same_browser() {
                let error = AuthError::new(ErrorKind::ConfirmRequired);
                return Err(error.with_extension("address", link.masked_recipient()));
            }
        }
        core.sessions.options().resolve_transport(client.options().transport)?;
        let consumed = self.codes.consume_link(client, link).await?;
        let outcome = self.finish(client, Factor::EmailLink, consumed).await;
        outcome.map_err(|error| match error.kind() {
            ErrorKind::ChallengeExpired => ErrorKind::InvalidLink.into(),
            _ => error,
        })
    }

    async fn finish(
        &self,
        client: &Client,
        factor: Factor,
        consumed: Consumed<SignInRequest>,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.services.core()?;
        let expired = || AuthError::from(ErrorKind::ChallengeExpired);
        let email = Email::parse(consumed.recipient()).map_err(|_| expired())?;
        let outcome = match consumed.user_id() {
            Some(id) => {
                let user = core.users.find_user(id).await?.ok_or_else(expired)?;
                self.sign_in(&core, client, factor, email, user).await?
            }
            None => {
                let request = consumed.data().clone();
                self.sign_up(&core, client, factor, email, request).await?
            }
        };
        Ok(core.respond(client, outcome).await)
    }

    async fn sign_in(
        &self,
        core: &Core,
        client: &Client,
        factor: Factor,
        email: Email,
        user: User,
    ) -> Result<Outcome, AuthError> {
        if !user.is_active() || user.email.as_ref() != Some(&email) {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        let delivery = client.options().delivery(core).await?;
        let proof = FactorProof::new(factor, whole_millis(core.clock.now()));
        let attempt = SignInAttempt {
            mailbox: Some(email),
            return_to: client.return_to().map(ToOwned::to_owned),
            ..SignInAttempt::new(user, proof, delivery, client.info().clone())
        };
        core.finish_sign_in(attempt).await
    }

    /// Creates a user with a verified email address. An anonymous user of this browser is converted.
    async fn sign_up(
        &self,
        core: &Core,
        client: &Client,
        factor: Factor,
        email: Email,
        SignInRequest { display_name, members }: SignInRequest,
    ) -> Result<Outcome, AuthError> {
        if !self.allows_sign_up(core) {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        // An unverified account may have received the email address since the request. Its sign-in
        // runs the hooks for that user, once.
        if let Some(holder) = core.users.find_user_by_email(&email).await? {
            return self.claim(core, client, factor, email, holder).await;
        }
        let (info, now) = (client.info(), whole_millis(core.clock.now()));
        core.limits.sign_up(info.ip.as_deref()).await?;
        let user = User {
            email: Some(email.clone()),
            email_verified_at: Some(now),
            display_name,
            ..User::new(new_user_id(now)?, now)
        };
        let members = client.members().after(members);
        let (user, kept) = core.may_sign_up(user, info, Some(&members)).await?;
        core.may_sign_in(&user, factor, info).await?;
        let current = client.context().anonymous().await?;
        let current = current.as_ref().map(|auth| (auth.user(), auth.session()));
        let (anonymous, anonymous_session) = AnonymousSession::of(current).unzip();
        let account = AccountDraft {
            user: &user,
            credential: None,
            anonymous: anonymous.as_ref(),
            anonymous_session,
            kept,
        };
        let delivery = client.options().delivery(core).await?;
        let proof = FactorProof::new(factor, now);
        let beginning = NewSession::new(vec![proof], delivery, info.clone());
        match core.take_in(account, beginning).await?.created() {
            Ok((user, issued)) => {
                core.note_device(&user, &issued.session, false);
                Ok(Outcome::complete(user, issued))
            }
            Err(CreateUserOutcome::Refused) => Err(ErrorKind::SignUpDisabled.into()),
            Err(CreateUserOutcome::UsernameTaken) => Err(ErrorKind::UsernameTaken.into()),
            Err(_) => Err(email_taken(core, client)),
        }
    }

    /// Signs in the unverified account that has received the email address since the request.
    async fn claim(
        &self,
        core: &Core,
        client: &Client,
        factor: Factor,
        email: Email,
        holder: User,
    ) -> Result<Outcome, AuthError> {
        if !holder.is_active() || holder.email_verified_at.is_some() {
            return Err(email_taken(core, client));
        }
        self.sign_in(core, client, factor, email, holder).await
    }

    fn allows_sign_up(&self, core: &Core) -> bool {
        self.allow_sign_up && core.passwords().map_or(true, |passwords| passwords.allows_sign_up())
    }
}

fn email_taken(core: &Core, client: &Client) -> AuthError {
    let event = core.event(EventKind::SignUpRefused).client(client.info());
    core.events.record(event.reason("email_taken"));
    ErrorKind::EmailTaken.into()
}

impl CodeHandler<SignInRequest> for EmailSignInService {
    async fn verified(
        &self,
        client: &Client,
        consumed: Consumed<SignInRequest>,
    ) -> Result<SignInOutcome, AuthError> {
        self.finish(client, Factor::EmailCode, consumed).await
    }
}
