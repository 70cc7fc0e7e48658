//! Changes of what a user can sign in with, as values.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Account, Authority, Client, Consumed, Core, Credentials, FreshUser, NewEvent, Notice, Removal,
    Services,
    credentials::{ADDED, REMOVED, TAKEN, TOO_MANY},
    notice::ChangeNotices,
    recovery::Replacement,
};
use crate::{
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Factor, Session, User, UserId},
    session::AuthUser,
    store::{
        AccountWrites, Applied, Challenge, ChallengeKind, Credential as Row, CredentialKind,
        EndSessions, EndedSessions, Remove, Requirement, Unmet,
    },
};

/// Changes of what users can sign in with. Each is one transaction, on the condition of the state
/// that it was decided on.
///
/// ```
/// use authlayer::{AuthError, Client, FreshUser, services::{AccountChange, Credentials, Services}};
///
/// /// Replaces a stolen card, and revokes the sessions of the thief.
/// async fn replace_card(
///     services: &Services,
///     cards: &Credentials<String>,
///     (client, user): (&Client, &FreshUser),
///     (stolen, number, pin): (&str, &str, String),
/// ) -> Result<(), AuthError> {
///     let change = AccountChange::by(user).add(cards, number, pin).remove(cards, stolen);
///     services.accounts().apply(client, change.revoke_sessions()).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Accounts(Services);

impl Services {
    /// Returns the service that changes what users can sign in with.
    ///
    /// ```
    /// # use authlayer::services::{Accounts, Services};
    /// # fn doc(services: &Services) -> Accounts {
    /// services.accounts()
    /// # }
    /// ```
    pub fn accounts(&self) -> Accounts {
        Accounts(self.clone())
    }
}

/// A change of what a user can sign in with, as a value: its authority, its writes, and the events
/// and messages that follow them. [`Accounts::apply`] applies it.
///
/// The user is notified of an added or removed credential unless its kind is
/// [silent](super::CredentialOptions::silent).
#[derive(Debug)]
#[must_use = "`Accounts::apply` applies the change"]
pub struct AccountChange {
    authority: ChangeAuthority,
    additions: Vec<NewCredential>,
    removals: Vec<FormerCredential>,
    revokes_sessions: bool,
    /// The time of the recovery code that is the only authority.
    recovery: Option<Timestamp>,
    events: Vec<NewEvent>,
    notices: Vec<Notice>,
}

#[derive(Debug)]
enum ChangeAuthority {
    Session(Box<AuthUser>),
    Challenge(UserId),
}

/// A credential to add.
#[derive(Debug)]
struct NewCredential {
    row: Result<Row, AuthError>,
    kind: &'static str,
    at_most: u32,
    signs_in: bool,
    message: Option<MessageKind>,
    /// The factor, if a recovery code can replace it.
    replaceable: Option<Factor>,
}

/// A credential to remove.
#[derive(Debug)]
struct FormerCredential {
    kind: &'static str,
    id: String,
    notifies: bool,
    /// The factor, if a recovery code can replace it.
    replaceable: Option<Factor>,
}

impl AccountChange {
    fn new(authority: ChangeAuthority) -> Self {
        let (additions, removals, events, notices) = Default::default();
        let (revokes_sessions, recovery) = (false, None);
        Self { authority, additions, removals, revokes_sessions, recovery, events, notices }
    }

    /// Creates a change on the authority of recent authentication. The session must exist when the
    /// change is applied.
    ///
    /// ```
    /// # use authlayer::{FreshUser, services::AccountChange};
    /// # fn doc(user: &FreshUser) -> AccountChange {
    /// AccountChange::by(user).revoke_sessions()
    /// # }
    /// ```
    pub fn by(user: &FreshUser) -> Self {
        Self { recovery: user.recovery(), ..Self::on(user.auth()) }
    }

    /// Creates a change on a session, whose authentication need not be recent.
    pub(super) fn on(user: &AuthUser) -> Self {
        Self::new(ChangeAuthority::Session(Box::new(user.clone())))
    }

    /// Creates a change on the authority of a consumed challenge, for the user it was issued for. A
    /// challenge that was issued for a session has the authority of that session.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, services::{AccountChange, Consumed, Credentials, Services}};
    ///
    /// async fn by_postcard(
    ///     services: &Services,
    ///     cards: &Credentials<String>,
    ///     (client, postcard): (&Client, Consumed<()>),
    ///     (number, pin): (&str, String),
    /// ) -> Result<(), AuthError> {
    ///     let change = AccountChange::by_challenge(postcard)?.add(cards, number, pin);
    ///     services.accounts().apply(client, change.revoke_sessions()).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a challenge without a user;
    /// [`ErrorKind::StepUpRequired`] for one of a session that was issued without a [`FreshUser`].
    ///
    /// # Security
    ///
    /// Use it only for challenges whose code or handle was delivered to the user, not returned in a
    /// response.
    pub fn by_challenge<T>(consumed: Consumed<T>) -> Result<Self, AuthError> {
        let user = consumed.user_id().cloned().ok_or(ErrorKind::ChallengeExpired)?;
        match consumed.session_user() {
            Ok(_) => Ok(Self::by(&consumed.fresh_user()?)),
            Err(_) => Ok(Self::new(ChangeAuthority::Challenge(user))),
        }
    }

    /// Adds a credential. A change adds at most one.
    ///
    /// ```
    /// # use authlayer::services::{AccountChange, Credentials};
    /// # fn doc(change: AccountChange, cards: &Credentials<String>) -> AccountChange {
    /// change.add(cards, "4711", "1234".to_owned())
    /// # }
    /// ```
    pub fn add<T>(mut self, kind: &Credentials<T>, lookup: &str, data: T) -> Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let row = kind.new_row(self.user_id(), lookup, data);
        let CredentialKind::Custom(name) = kind.kind() else { return self };
        let options = kind.options();
        let message = options.notifies.then_some(options.added_message);
        let (at_most, signs_in) = (options.max_per_user, options.signs_in);
        let replaceable = options.replaceable();
        let new = NewCredential { row, kind: name, at_most, signs_in, message, replaceable };
        self.additions.push(new);
        self
    }

    /// Removes the credential with this id, unless it is the last one that can sign in. A change
    /// removes at most one. If it is a second factor, the other sessions on which it was verified
    /// end, and remembered devices are forgotten; without a session, all sessions end.
    ///
    /// ```
    /// # use authlayer::services::{AccountChange, Credentials};
    /// # fn doc(change: AccountChange, cards: &Credentials<String>, id: &str) -> AccountChange {
    /// change.remove(cards, id)
    /// # }
    /// ```
    pub fn remove<T>(mut self, kind: &Credentials<T>, id: &str) -> Self {
        if let CredentialKind::Custom(name) = kind.kind() {
            let (notifies, replaceable) = (kind.options().notifies, kind.options().replaceable());
            let id = id.to_owned();
            self.removals.push(FormerCredential { kind: name, id, notifies, replaceable });
        }
        self
    }

    /// Revokes the sessions of the user, except the one of the change, and deletes pending
    /// challenges, links and remembered devices.
    ///
    /// ```
    /// # use authlayer::services::AccountChange;
    /// # fn doc(change: AccountChange) -> AccountChange {
    /// change.revoke_sessions()
    /// # }
    /// ```
    pub fn revoke_sessions(mut self) -> Self {
        self.revokes_sessions = true;
        self
    }

    /// Records an event of the user once the change is committed.
    ///
    /// ```
    /// # use authlayer::{EventKind, services::{AccountChange, NewEvent}};
    /// const REPLACED: EventKind = EventKind::custom("card_replaced");
    /// # fn doc(change: AccountChange) -> AccountChange {
    /// change.event(NewEvent::new(REPLACED))
    /// # }
    /// ```
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Sends a message once the change is committed.
    ///
    /// ```
    /// # use authlayer::{MessageKind, User, services::{AccountChange, Notice}};
    /// const REPLACED: MessageKind = MessageKind::custom("card_replaced");
    /// # fn doc(change: AccountChange, user: &User) -> AccountChange {
    /// change.notice(Notice::to_user(REPLACED, user))
    /// # }
    /// ```
    pub fn notice(mut self, notice: Notice) -> Self {
        self.notices.push(notice);
        self
    }

    fn user_id(&self) -> &UserId {
        match &self.authority {
            ChangeAuthority::Session(user) => &user.user().id,
            ChangeAuthority::Challenge(user) => user,
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.authority {
            ChangeAuthority::Session(user) => Some(user.session()),
            ChangeAuthority::Challenge(_) => None,
        }
    }
}

impl Accounts {
    /// Returns a user with all credentials.
    ///
    /// ```
    /// use authlayer::{AuthError, UserId, services::{Credentials, Services}};
    ///
    /// async fn cards(
    ///     services: &Services,
    ///     cards: &Credentials<String>,
    ///     user: &UserId,
    /// ) -> Result<usize, AuthError> {
    ///     let account = services.accounts().load(user).await?;
    ///     Ok(account.map_or(0, |account| account.count(cards)))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn load(&self, user: &UserId) -> Result<Option<Account>, AuthError> {
        let core = self.0.core()?;
        match core.users.find_user(user).await? {
            Some(user) => core.account(&user).await.map(Some),
            None => Ok(None),
        }
    }

    /// Applies a change in one transaction: all of its writes are committed, or none.
    ///
    /// ```
    /// # use authlayer::{AuthError, Client, FreshUser, services::{AccountChange, Services}};
    /// # async fn doc(services: Services, client: &Client, user: &FreshUser) -> Result<(), AuthError> {
    /// services.accounts().apply(client, AccountChange::by(user).revoke_sessions()).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `credential_taken` (409) if any user has a credential with this lookup;
    /// `too_many_credentials` (409); [`ErrorKind::NotFound`], also for a credential of another user;
    /// [`ErrorKind::LastCredential`]; [`ErrorKind::InvalidToken`] if the session has ended, and
    /// [`ErrorKind::ChallengeExpired`] if the user of a challenge is deleted or disabled;
    /// [`ErrorKind::Misconfigured`] for a change that adds or removes several credentials;
    /// [`ErrorKind::Unavailable`].
    pub async fn apply(&self, client: &Client, change: AccountChange) -> Result<(), AuthError> {
        let core = self.0.core()?;
        let (user, mut change) = (change.user_id().clone(), change);
        let events = std::mem::take(&mut change.events);
        let notices = std::mem::take(&mut change.notices);
        core.apply_change(client.info(), change).await?;
        for event in events {
            self.0.record(event.user(&user).client(client))?;
        }
        let mail = self.0.mail();
        for notice in notices {
            let sent = mail.send(client, notice);
            after_commit("a message about a change of an account was not sent", sent).await;
        }
        Ok(())
    }
}

impl Core {
    /// Applies a change, and returns the added credential.
    pub(super) async fn apply_change(
        &self,
        client: &ClientInfo,
        mut change: AccountChange,
    ) -> Result<Option<Row>, AuthError> {
        if change.additions.len() > 1 || change.removals.len() > 1 {
            return Err(AuthError::misconfigured("a change of several credentials at once"));
        }
        let (added, removed) = (change.additions.pop(), change.removals.pop());
        let session = change.session();
        let is_gone = || match session {
            Some(_) => AuthError::from(ErrorKind::InvalidToken),
            None => ErrorKind::ChallengeExpired.into(),
        };
        let user = match &change.authority {
            ChangeAuthority::Session(user) => user.user().clone(),
            ChangeAuthority::Challenge(id) => {
                let found = self.users.find_user(id).await?.filter(User::is_active);
                found.ok_or_else(is_gone)?
            }
        };
        let once = self.once_by_code(&change, added.as_ref(), removed.as_ref()).await?;
        let at_most = added.as_ref().map(|new| new.at_most);
        let signs_in = added.as_ref().is_some_and(|new| new.signs_in);
        let message = added.as_ref().and_then(|new| new.message.map(|kind| (kind, new.kind)));
        let added_kind = added.as_ref().map(|new| new.kind);
        let row = added.map(|new| new.row).transpose()?;
        let (remove, mut removal) = match &removed {
            Some(former) => self.plan_removal(&user, session, former, signs_in).await?,
            None => (Remove::Nothing, Removal::default()),
        };
        if change.revokes_sessions {
            removal.end = session.map_or(EndSessions::All, |own| EndSessions::Others(own.id));
        }
        let ended = EndedSessions::new(self.clock.now());
        let about = |what: &str| Occasion::of(client).what(what);
        let added_notice = message.map(|(kind, name)| self.notice(&user, kind, about(name)));
        let removed_notice = removed.as_ref().filter(|former| former.notifies);
        let removed_notice = removed_notice
            .map(|own| self.notice(&user, MessageKind::FactorRemoved, about(own.kind)));
        let notices: Vec<_> = added_notice.into_iter().chain(removed_notice).collect();
        let mails: Vec<_> = notices.iter().flat_map(ChangeNotices::rows).collect();
        let write = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: session.map(Requirement::session).into_iter().collect(),
                add: row.clone(),
                add_at_most: at_most,
                remove: remove.clone(),
                dependents: removal.dependents.clone(),
                end: removal.end.clone(),
                ended: Some(ended.clone()),
                mails: mails.clone(),
                end_challenges: change.revokes_sessions,
                challenges: once.iter().cloned().collect(),
                end_challenges_of: removal.forgets_devices.then_some(ChallengeKind::TrustedDevice),
                ..AccountWrites::new(own.clone())
            })
        };
        match self.users.apply(&user.id, &write).await? {
            Applied::Done(_) => {}
            Applied::Unmet(Unmet::Taken) => {
                return Err(self
                    .why_taken(row.as_ref(), session.filter(|_| once.is_some()))
                    .await?);
            }
            Applied::Unmet(Unmet::Limit) => return Err(TOO_MANY.into()),
            Applied::Unmet(Unmet::Removal) => {
                let id = removed.map(|former| former.id).unwrap_or_default();
                return Err(self.not_removed(&user.id, &id).await?.into());
            }
            _ => return Err(is_gone()),
        }
        self.sessions.were_ended(&user.id, ended.count());
        let record = |kind: EventKind, name: &'static str| {
            let event = self.event(kind).user(&user.id).reason(name);
            self.events.record(match session {
                Some(session) => event.session(session.id),
                None => event.client(client),
            });
        };
        if let Some(kind) = added_kind {
            record(ADDED, kind);
        }
        if let Some(former) = &removed {
            record(REMOVED, former.kind);
        }
        notices.into_iter().for_each(ChangeNotices::send);
        Ok(row)
    }

    /// Returns the challenge that makes a change by a recovery code the only one of its purpose;
    /// `None` if the user authenticated recently.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] for a change that a recovery code does not authorize.
    async fn once_by_code(
        &self,
        change: &AccountChange,
        added: Option<&NewCredential>,
        removed: Option<&FormerCredential>,
    ) -> Result<Option<Challenge>, AuthError> {
        let Some((at, session)) = change.recovery.zip(change.session()) else { return Ok(None) };
        let replacement = match (added, removed) {
            (Some(new), None) => new.replaceable.map(|own| (Replacement::Add, own)),
            (None, Some(former)) => former.replaceable.map(|own| (Replacement::Remove, own)),
            _ => None,
        };
        match replacement.filter(|_| !change.revokes_sessions) {
            Some((replacement, factor)) => {
                self.recovery_use(Authority::Recovery(at), session, replacement, factor).await
            }
            None => Err(self.step_up_required(session).await),
        }
    }

    /// Returns the error of a change whose credential exists, or whose recovery code, of this
    /// session, was used at the same time.
    async fn why_taken(
        &self,
        row: Option<&Row>,
        recovering: Option<&Session>,
    ) -> Result<AuthError, AuthError> {
        let Some(session) = recovering else { return Ok(TAKEN.into()) };
        if let Some(row) = row
            && self.credentials.find_credential(row.kind, &row.lookup).await?.is_some()
        {
            return Ok(TAKEN.into());
        }
        Ok(self.step_up_required(session).await)
    }

    /// Returns how a credential is removed, and what ends with it. A change that adds a sign-in
    /// method can remove the last one.
    async fn plan_removal(
        &self,
        user: &User,
        session: Option<&Session>,
        former: &FormerCredential,
        adds_sign_in: bool,
    ) -> Result<(Remove, Removal), AuthError> {
        let kind = CredentialKind::Custom(former.kind);
        let all = self.credentials.list_credentials(&user.id).await?;
        let own = all.iter().find(|own| own.kind == kind && own.id == former.id);
        let own = own.ok_or(ErrorKind::NotFound)?;
        let removal = self.removal_of(user, session, own).await?;
        let sign_in = match adds_sign_in {
            true => Vec::new(),
            false => self.sign_in_credentials(&user.id).await?,
        };
        Ok((Remove::One { kind, id: own.id.clone(), sign_in }, removal))
    }
}
