//! Links that are sent together with a code.
//!
//! A link is a challenge of its own, which names that of the code and stores the same code. It is
//! valid while the challenge exists and has that code: both are consumed together, in one
//! conditional write, and another code invalidates the earlier link. It does not depend on the
//! remaining attempts, since it cannot be guessed.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Client, CodeChallenges, Consumed, Core, Owner, PendingChallenge,
    code::locale_of,
    consumed::{Secrets, Stored},
    delivery::LinkPage,
};
use crate::{
    clock::whole_millis,
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{Email, Transport, User, UserId},
    store::{Challenge, ChallengeKind},
};

/// A valid link that was sent together with a code. Reading it consumed nothing.
///
/// ```
/// use authlayer::services::DeliveredLink;
///
/// /// Requires a click on a button in every browser but the one that requested the link.
/// fn needs_confirmation(link: &DeliveredLink) -> bool {
///     !link.is_same_browser()
/// }
/// ```
#[must_use = "`CodeChallenges::consume_link` consumes it"]
pub struct DeliveredLink {
    challenge: Challenge,
    stored: Stored,
    is_same_browser: bool,
}

impl DeliveredLink {
    /// Returns `true` in the browser that requested the link.
    ///
    /// ```
    /// # use authlayer::services::DeliveredLink;
    /// # fn doc(link: &DeliveredLink) -> bool {
    /// link.is_same_browser()
    /// # }
    /// ```
    pub fn is_same_browser(&self) -> bool {
        self.is_same_browser
    }

    /// Returns the email address that the link was sent to, with most of it masked, for the question
    /// whether the person wants to continue.
    ///
    /// ```
    /// # use authlayer::services::DeliveredLink;
    /// # fn doc(link: &DeliveredLink) -> String {
    /// link.masked_recipient()
    /// # }
    /// ```
    pub fn masked_recipient(&self) -> String {
        Email::parse(self.stored.recipient.as_deref().unwrap_or_default())
            .map_or_else(|_| String::new(), |email| email.masked())
    }

    /// Returns the user that the link was issued for.
    ///
    /// ```
    /// # use authlayer::{UserId, services::DeliveredLink};
    /// # fn doc(link: &DeliveredLink) -> Option<&UserId> {
    /// link.user_id()
    /// # }
    /// ```
    pub fn user_id(&self) -> Option<&UserId> {
        self.challenge.user_id.as_ref()
    }
}

impl fmt::Debug for DeliveredLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveredLink").field("user", &self.user_id()).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> CodeChallenges<T> {
    /// Creates a challenge for a user. The message has the language of the user, if it is known.
    pub(crate) async fn issue_to(
        &self,
        client: &Client,
        user: &User,
        recipient: &str,
        data: T,
    ) -> Result<PendingChallenge, AuthError> {
        let owner = Owner::from(&user.id);
        let data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
        let mut stored = Stored::new(client, owner, data);
        stored.locale = locale_of(user).map(ToOwned::to_owned).or(stored.locale);
        self.begin(client, owner, recipient, stored).await
    }

    /// Returns the valid link of a token, without consuming it: programs that check the links of a
    /// message open it too.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, services::CodeChallenges};
    ///
    /// async fn address(
    ///     codes: &CodeChallenges<()>,
    ///     client: &Client,
    ///     token: &str,
    /// ) -> Result<String, AuthError> {
    ///     Ok(codes.peek_link(client, token).await?.masked_recipient())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`] for a token that is unknown, used, expired, or replaced by a
    /// newer one; [`ErrorKind::Unavailable`].
    pub async fn peek_link(
        &self,
        client: &Client,
        token: &str,
    ) -> Result<DeliveredLink, AuthError> {
        let core = self.services.core()?;
        let Some(challenge) = self.find_link(&core, token).await? else {
            let event = core.event(EventKind::ProofRefused).client(client.info());
            core.events.record(event.reason("link"));
            return Err(ErrorKind::InvalidLink.into());
        };
        let stored = Stored::read(&challenge).map_err(|_| ErrorKind::InvalidLink)?;
        let secrets = client.context().mail_secrets(client.headers());
        let is_own = |secret: &String| {
            let secret = OneTimeToken::parse(TokenPurpose::Browser, secret);
            let browser = stored.browser.as_deref().and_then(Digest::from_base64);
            secret.zip(browser).is_some_and(|(secret, own)| secret.digest().ct_eq(&own))
        };
        let is_same_browser = secrets.iter().any(is_own);
        Ok(DeliveredLink { challenge, stored, is_same_browser })
    }

    /// Consumes a link together with its code. A challenge that was issued for a session can be
    /// consumed only on that session.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, ErrorKind, services::{CodeChallenges, Consumed}};
    ///
    /// async fn follow(
    ///     codes: &CodeChallenges<()>,
    ///     client: &Client,
    ///     (token, confirmed): (&str, bool),
    /// ) -> Result<Consumed<()>, AuthError> {
    ///     let link = codes.peek_link(client, token).await?;
    ///     if !confirmed && !link.is_same_browser() {
    ///         return Err(ErrorKind::ConfirmRequired.into());
    ///     }
    ///     codes.consume_link(client, link).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`] if another request was first; [`ErrorKind::Unauthenticated`]
    /// without the session; [`ErrorKind::Unavailable`].
    ///
    /// # Security
    ///
    /// In a browser that did not request the link, ask for confirmation first: another person may
    /// have requested it to be signed in there.
    pub async fn consume_link(
        &self,
        client: &Client,
        link: DeliveredLink,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let DeliveredLink { challenge, stored, .. } = link;
        let user = stored.session_user(client).await?;
        stored.require_same_key(&core, client).await?;
        let (id, code) = (&challenge.id, challenge.code.as_ref());
        let taken = core.challenges.take_challenge(id, code, core.clock.now()).await?;
        let taken = taken.ok_or(ErrorKind::InvalidLink)?;
        stored.restore(&taken, client);
        Consumed::new(&taken, stored, user, Secrets::random()?)
    }

    /// Returns the challenge that a link belongs to.
    async fn find_link(&self, core: &Core, token: &str) -> Result<Option<Challenge>, AuthError> {
        let Some(token) = OneTimeToken::parse(TokenPurpose::Link, token) else { return Ok(None) };
        let now = core.clock.now();
        let link = core.challenges.find_challenge(&token.digest(), now).await?;
        let Some(link) = link.filter(|own| own.kind == ChallengeKind::CodeLink) else {
            return Ok(None);
        };
        let id = link.data.get("challenge").and_then(Value::as_str).and_then(Digest::from_base64);
        let Some(id) = id else { return Ok(None) };
        let challenge = core.challenges.find_challenge(&id, now).await?;
        let is_current = |own: &Challenge| {
            let codes = own.code.zip(link.code);
            own.kind == self.kind() && codes.is_some_and(|(own, sent)| own.ct_eq(&sent))
        };
        Ok(challenge.filter(is_current))
    }

    /// Returns the secret that binds a link to the browser that requests it, if the challenges have
    /// links and the session will be in cookies.
    pub(super) fn new_browser(
        &self,
        core: &Core,
        client: &Client,
    ) -> Result<Option<OneTimeToken>, AuthError> {
        if self.delivery().options.link.is_none() {
            return Ok(None);
        }
        let transport = client.options().transport;
        match core.sessions.options().resolve_transport(transport)? {
            Transport::Cookie => OneTimeToken::random(TokenPurpose::Browser).map(Some),
            Transport::Bearer | Transport::Other => Ok(None),
        }
    }

    /// Stores a new challenge. One that unauthenticated clients can request by email must not
    /// disclose whether it has a user.
    pub(super) async fn store(&self, core: &Core, challenge: &Challenge) -> Result<(), AuthError> {
        match &self.delivery().options.link {
            Some(_) => core.store_requested(challenge.clone()).await,
            None => core.store_challenge(challenge).await.map(drop),
        }
    }

    /// Creates the link for a code of a challenge, if the challenges have links. A decoy has one
    /// too, which is not sent.
    pub(super) async fn new_link(
        &self,
        core: &Core,
        challenge: &Challenge,
        code: Option<Digest>,
    ) -> Result<Option<String>, AuthError> {
        let (Some(page), Some(code)) = (&self.delivery().options.link, code) else {
            return Ok(None);
        };
        let token = OneTimeToken::random(TokenPurpose::Link)?;
        let link = Challenge {
            id: token.digest(),
            kind: ChallengeKind::CodeLink,
            code: Some(code),
            tries: 1,
            data: json!({ "challenge": challenge.id.to_base64() }),
            created_at: whole_millis(core.clock.now()),
            ..challenge.clone()
        };
        core.challenges.insert_challenge(&link).await?;
        let token = token.to_token();
        Ok(Some(match page {
            LinkPage::SignIn(page) => core.mail_link("sign-in-link", page, token.expose()),
            LinkPage::Custom(page) => {
                format!("{}{page}#token={}", core.origins.first(), token.expose())
            }
        }))
    }
}
