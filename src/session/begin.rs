//! Creation of sessions.

use super::{IssuedTokens, SessionTransition, Sessions, after, offer::offer, offered::use_offered};
use crate::{
    clock::whole_millis,
    crypto::{digest::Domain, random, ratchet::TokenGeneration},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{
        ClientInfo, Factor, FactorProof, IdpSession, Session, SessionBinding, SessionId,
        TokenDelivery, Transport, User, UserId,
    },
    store::{
        Applied, CredentialUpdate, Decide, DeviceChallenges, InsertOptions, SessionLimit,
        SessionRow, SessionTag, SessionWrite,
    },
};

/// The data of a new session, in addition to its user.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The factors that were verified, each with its time.
    pub factors: Vec<FactorProof>,
    /// The transport of the tokens.
    pub transport: Transport,
    /// Whether the session outlives the browser session.
    pub is_persistent: bool,
    /// The client.
    pub client: ClientInfo,
    /// The session at a provider from which this session was created.
    pub upstream: Option<IdpSession>,
    /// The use of a credential that is recorded in the same transaction. If it cannot be recorded,
    /// the session is not created.
    pub using: Option<CredentialUpdate>,
    /// The tags of the session, in addition to those of `upstream`.
    pub tags: Vec<SessionTag>,
    /// The key that the session is bound to.
    pub binding: Option<SessionBinding>,
}

impl NewSession {
    /// Creates the data of a session after these factors were verified.
    pub(crate) fn new(
        factors: Vec<FactorProof>,
        delivery: impl Into<TokenDelivery>,
        client: ClientInfo,
    ) -> Self {
        let TokenDelivery { transport, is_persistent, jkt } = delivery.into();
        let binding = jkt.map(SessionBinding::dpop);
        let (upstream, using, tags) = Default::default();
        Self { factors, transport, is_persistent, client, upstream, using, tags, binding }
    }
}

impl Sessions {
    /// Creates a session for a user who has just verified a factor.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidCredentials`] if the user is not active at the time of the insert, or
    ///   if the use of the credential cannot be recorded.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    ///
    /// # Security
    ///
    /// The caller is responsible for the verification: this function creates a session for any
    /// active user.
    pub async fn create(
        &self,
        user: &User,
        factor: Factor,
        transport: Transport,
        client: ClientInfo,
    ) -> Result<IssuedTokens, AuthError> {
        let proof = FactorProof::new(factor, whole_millis(self.clock.now()));
        self.create_with(user, NewSession::new(vec![proof], transport, client)).await
    }

    /// Like [`create`](Self::create), with all factors that were verified and their times.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_with(
        &self,
        user: &User,
        beginning: NewSession,
    ) -> Result<IssuedTokens, AuthError> {
        if !user.is_active() {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        if beginning.binding.is_some() {
            use_offered().await?;
        }
        let using = beginning.using.clone();
        let limit = self.limit();
        let opening = InsertOptions { at_most: limit.clone(), using };
        let (row, secrets) = self.prepare(&user.id, beginning)?;
        if !self.store.insert(&row, &opening).await? {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        self.record_ended(limit, &user.id);
        if !self.has_user(&row.session).await? {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        Ok(self.began(row, secrets))
    }

    /// Creates a session in the transaction of a transition.
    pub(crate) async fn begin_within(
        &self,
        user: &UserId,
        mut beginning: NewSession,
        decide: Decide<'_>,
    ) -> Result<SessionTransition, AuthError> {
        if beginning.binding.is_some() {
            use_offered().await?;
        }
        let using = beginning.using.take();
        let (row, secrets) = self.prepare(user, beginning)?;
        let limit = self.limit();
        let with_session = |user: &User| {
            let mut writes = decide(user)?;
            writes.using = writes.using.or_else(|| using.clone());
            let row = Box::new(row.clone());
            writes.session = Some(SessionWrite::Insert(row, limit.clone()));
            Some(writes)
        };
        match self.transitions.apply(user, &with_session).await? {
            Applied::Done(user) => {
                self.record_ended(limit.clone(), &user.id);
                let issued = self.began(row, secrets);
                Ok(SessionTransition::Done(user, Box::new(issued)))
            }
            other => Ok(SessionTransition::NotApplied(other)),
        }
    }

    /// Returns whether the user of an inserted session is still active, and deletes the session if
    /// not, or if that is unknown because of an error.
    ///
    /// In our own database the insert requires an active user. A user in another store can be
    /// disabled or deleted during the insert, so the user is fetched again.
    pub(super) async fn has_user(&self, session: &Session) -> Result<bool, AuthError> {
        if self.users.is_transactional() {
            return Ok(true);
        }
        let user = self.users.find_user(&session.user_id).await;
        if matches!(&user, Ok(Some(user)) if user.is_active()) {
            return Ok(true);
        }
        let deleted = self.store.delete(session.id).await;
        user?;
        deleted?;
        Ok(false)
    }

    fn limit(&self) -> Option<SessionLimit> {
        self.options.max_per_user.map(SessionLimit::new)
    }

    /// Records the sessions that were ended because of `max_per_user`.
    fn record_ended(&self, limit: Option<SessionLimit>, user: &UserId) {
        let now = self.clock.now();
        for session in limit.iter().flat_map(SessionLimit::take_ended) {
            self.watcher.end(session);
            let event = Event::new(EventKind::SessionRevoked, now).user(user).session(session);
            self.events.record(event.reason("max_per_user"));
        }
    }

    pub(super) fn prepare(
        &self,
        user: &UserId,
        beginning: NewSession,
    ) -> Result<(SessionRow, TokenGeneration), AuthError> {
        let now = whole_millis(self.clock.now());
        let secrets = TokenGeneration::initial()?;
        let id = SessionId::from_bytes(random::bytes()?);
        let is_persistent = beginning.is_persistent;
        let end = after(now, self.options.lifetime(is_persistent));
        let (access, refresh) = self.options.token_expiry((is_persistent, None), now, end);
        let mut tags = beginning.tags;
        let more = beginning.upstream.iter().flat_map(IdpSession::tags);
        for tag in more.collect::<Vec<_>>() {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let session = Session {
            expires_at: end,
            access_expires_at: access,
            refresh_expires_at: refresh,
            factors: beginning.factors,
            client: beginning.client,
            upstream: beginning.upstream,
            binding: beginning.binding,
            is_persistent,
            ..Session::new(id, user.clone(), beginning.transport, now)
        };
        let row = SessionRow {
            session,
            nonce: random::bytes()?,
            salt: random::bytes()?,
            generation: secrets.number,
            lineage_hash: secrets.refresh.lineage.digest(Domain::LINEAGE),
            refresh_hash: secrets.refresh.digest(),
            access_hash: secrets.access.digest(Domain::ACCESS),
            previous_access: None,
            rotated_at: None,
            confirmed_at: None,
            former: Vec::new(),
            tags,
            has_impersonated: false,
            challenges: DeviceChallenges::default(),
        };
        Ok((row, secrets))
    }

    fn began(&self, row: SessionRow, secrets: TokenGeneration) -> IssuedTokens {
        let now = row.session.created_at;
        let offer = if row.session.factors.is_empty() { None } else { offer(&row, now) };
        let session = row.session;
        self.events.record(
            Event::new(EventKind::SignedIn, now)
                .user(&session.user_id)
                .session(session.id)
                .client(&session.client),
        );
        IssuedTokens { offer, ..IssuedTokens::new(session, secrets, now) }
    }
}
