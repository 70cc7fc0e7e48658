//! The device authorization grant, without HTTP.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::stored::{Approval, DeviceCode, INTERVAL, LIFETIME, UserCode, read};
use crate::{
    clock::whole_millis,
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
        typed::TypedHandle,
    },
    error::{AuthError, ErrorKind},
    model::{ClientInfo, Factor, FactorProof, TokenDelivery, Transport, User},
    services::{Core, Programs},
    session::{IssuedTokens, NewSession, offered_key},
    store::{AccountWrites, Applied, ChallengeKind, Requirement, StoreError, Unmet},
};

/// The name of this flow: of its tags and of its limit.
const NAME: &str = "device_grant";
const HOUR: Duration = Duration::from_secs(3600);
/// The maximum number of requests of programs, per network and hour.
const MAX_REQUESTS: u32 = 30;
/// How often a user code is created again if another request has it.
const MAX_COLLISIONS: usize = 5;
/// Maximum attempts to count a poll: another one may be counted first.
const MAX_RACES: usize = 10;

/// Lets users approve programs, and gives programs their sessions.
#[derive(Clone)]
pub struct DeviceGrantService {
    pub(super) core: Arc<Core>,
    /// The id and the name of each program.
    clients: Arc<[(String, String)]>,
    verification_uri: Option<Arc<str>>,
}

/// The response to a program (RFC 8628 §3.2).
#[derive(Serialize)]
pub(super) struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// The tokens of a program (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct ProgramTokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
}

impl From<IssuedTokens> for ProgramTokens {
    fn from(issued: IssuedTokens) -> Self {
        Self {
            access_token: issued.access.expose().to_owned(),
            token_type: issued.token_type(),
            expires_in: issued.access_expires_in().as_secs(),
            refresh_token: issued.refresh.expose().to_owned(),
        }
    }
}

/// The reason why a program gets no tokens (RFC 6749 §5.2, RFC 8628 §3.5).
#[derive(Debug)]
pub(super) enum Refusal {
    InvalidClient,
    InvalidGrant,
    AuthorizationPending,
    SlowDown,
    AccessDenied,
    ExpiredToken,
    /// RFC 9449 §5.
    InvalidDpopProof,
    Other(AuthError),
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error.kind() {
            ErrorKind::InvalidDpopProof
            | ErrorKind::DpopProofRequired
            | ErrorKind::DpopProofRefused => Self::InvalidDpopProof,
            _ => Self::Other(error),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl DeviceGrantService {
    pub(super) fn new(
        core: Arc<Core>,
        clients: Vec<(String, String)>,
        verification_uri: Option<String>,
    ) -> Self {
        let verification_uri = verification_uri.map(Into::into);
        Self { core, clients: clients.into(), verification_uri }
    }

    /// Returns the name of a program.
    pub(super) fn name_of(&self, client: &str) -> Option<&str> {
        let own = self.clients.iter().find(|(id, _)| id == client);
        own.map(|(_, name)| name.as_str())
    }

    /// Creates the two codes of a request.
    pub(super) async fn start(&self, program: &str, from: &ClientInfo) -> Result<Started, Refusal> {
        self.name_of(program).ok_or(Refusal::InvalidClient)?;
        let core = &self.core;
        core.limits.of_network(NAME, MAX_REQUESTS, HOUR, from.ip.as_deref()).await?;
        let now = whole_millis(core.clock.now());
        let handle = OneTimeToken::random(TokenPurpose::DeviceCode)?;
        let device = handle.digest();
        let request = UserCode::new(program, &device, from);
        let (user_code, id) = self.store_request(&request, now).await?;
        let own = DeviceCode::new(program, &id, now);
        core.challenges.insert_challenge(&own.challenge(device, now)).await?;
        let page = self.page();
        let sign = if page.contains('?') { '&' } else { '?' };
        Ok(Started {
            device_code: handle.to_token().expose().to_owned(),
            verification_uri_complete: format!("{page}{sign}user_code={user_code}"),
            verification_uri: page,
            user_code,
            expires_in: LIFETIME.as_secs(),
            interval: INTERVAL,
        })
    }

    /// Stores a request under a user code that no other request has.
    async fn store_request(
        &self,
        request: &UserCode,
        now: Timestamp,
    ) -> Result<(String, Digest), AuthError> {
        for _ in 0..MAX_COLLISIONS {
            let handle = TypedHandle::random()?;
            let id = user_code_id(&handle);
            if self.core.challenges.insert_challenge(&request.challenge(id, now)).await? {
                return Ok((handle.expose().to_owned(), id));
            }
        }
        Err(AuthError::new(ErrorKind::Unavailable).with_source("all user codes are in use"))
    }

    /// Returns the URL of the page on which the user types the code.
    fn page(&self) -> String {
        match &self.verification_uri {
            Some(uri) => uri.to_string(),
            None => {
                let page = self.core.page("device").unwrap_or_default();
                format!("{}{page}", self.core.origins.of_links())
            }
        }
    }

    /// Returns the tokens of the session that a user approved, once.
    pub(super) async fn exchange(
        &self,
        program: &str,
        device_code: &str,
        from: &ClientInfo,
    ) -> Result<ProgramTokens, Refusal> {
        self.name_of(program).ok_or(Refusal::InvalidClient)?;
        let now = whole_millis(self.core.clock.now());
        let handle = OneTimeToken::parse(TokenPurpose::DeviceCode, device_code);
        let device = handle.ok_or(Refusal::InvalidGrant)?.digest();
        let own = self.poll(program, &device, now).await?;
        // First the user code, which an approval deletes in its transaction.
        let request = Digest::from_base64(&own.request).ok_or(Refusal::InvalidGrant)?;
        let pending = self.core.challenges.find_challenge(&request, now).await?;
        let pending = pending.and_then(|own| read::<UserCode>(&own, ChallengeKind::UserCode));
        if pending.is_some_and(|own| own.device == device.to_base64()) {
            return Err(Refusal::AuthorizationPending);
        }
        self.deliver(&device, from, now).await
    }

    /// Counts a poll of a program, in one conditional write.
    async fn poll(
        &self,
        program: &str,
        device: &Digest,
        now: Timestamp,
    ) -> Result<DeviceCode, Refusal> {
        for _ in 0..MAX_RACES {
            let found = self.core.challenges.find_challenge(device, now).await?;
            let found = found.ok_or(Refusal::InvalidGrant)?;
            let own = read::<DeviceCode>(&found, ChallengeKind::DeviceCode);
            let own = own.filter(|own| own.client == program).ok_or(Refusal::InvalidGrant)?;
            if own.is_expired(now) {
                return Err(Refusal::ExpiredToken);
            }
            let (next, is_early) = own.polled(now);
            let (before, after) = (&found.data, json!(next));
            if self.core.challenges.replace_data(device, before, &after, None, now).await? {
                return if is_early { Err(Refusal::SlowDown) } else { Ok(next) };
            }
        }
        Err(Refusal::SlowDown)
    }

    /// Begins the session of an approval. The transaction consumes the approval and the device code,
    /// so whatever ends the sessions of the user ends either of them.
    async fn deliver(
        &self,
        device: &Digest,
        from: &ClientInfo,
        now: Timestamp,
    ) -> Result<ProgramTokens, Refusal> {
        let core = &self.core;
        let jkt = offered_key(Transport::Bearer)?;
        let delivery = TokenDelivery { jkt, ..Transport::Bearer.into() };
        let id = Approval::id(device);
        let Some(found) = core.challenges.find_challenge(&id, now).await? else {
            return Err(self.ended(device, now).await?);
        };
        let approval = read::<Approval>(&found, ChallengeKind::DeviceApproval);
        let (approval, user) = approval.zip(found.user_id).ok_or(Refusal::AccessDenied)?;
        let user = core.users.find_user(&user).await?.filter(User::is_active);
        let user = user.ok_or(Refusal::AccessDenied)?;
        let allowed = core.may_sign_in(&user, Factor::DeviceGrant, from).await;
        allowed.map_err(|error| match error.status().is_server_error() {
            true => Refusal::Other(error),
            false => Refusal::AccessDenied,
        })?;
        let proof = FactorProof::new(Factor::DeviceGrant, approval.at);
        let beginning = NewSession::new(vec![proof], delivery, from.clone());
        let beginning = NewSession { tags: approval.tags, ..beginning };
        let begin = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: vec![
                    Requirement::Challenge(id, now),
                    Requirement::Challenge(*device, now),
                ],
                ..AccountWrites::new(own.clone())
            })
        };
        match core.sessions.begin_within(&user.id, beginning, &begin).await?.done() {
            Ok((user, issued)) => {
                // The user was notified of the approval.
                core.note_device(&user, &issued.session, false);
                Ok(issued.into())
            }
            Err(Applied::Unmet(Unmet::Challenge)) => Err(self.ended(device, now).await?),
            Err(_) => Err(Refusal::AccessDenied),
        }
    }

    /// Returns the refusal of a request that is neither pending nor approved.
    async fn ended(&self, device: &Digest, now: Timestamp) -> Result<Refusal, AuthError> {
        Ok(match self.core.challenges.find_challenge(device, now).await? {
            Some(_) => Refusal::AccessDenied,
            None => Refusal::InvalidGrant,
        })
    }

    /// Exchanges the refresh token of a session of this program.
    pub(super) async fn refresh(
        &self,
        program: &str,
        token: &str,
    ) -> Result<ProgramTokens, Refusal> {
        self.name_of(program).ok_or(Refusal::InvalidClient)?;
        match self.core.sessions.refresh_of(token, &Programs::tag(program)).await {
            Ok((_, issued)) => Ok(issued.into()),
            Err(error) if error.kind() == ErrorKind::InvalidRefreshToken => {
                Err(Refusal::InvalidGrant)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the id under which a request is stored until the user decides.
pub(super) fn user_code_id(handle: &TypedHandle) -> Digest {
    handle.digest(ChallengeKind::UserCode.as_str())
}

impl fmt::Debug for DeviceGrantService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
        f.debug_struct("DeviceGrantService").field("clients", &clients).finish_non_exhaustive()
    }
}
