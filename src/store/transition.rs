//! Account transitions: changes of how a user signs in.
//!
//! A transition is decided on the user as locked in the store and applied in one transaction:
//! either everything it writes is committed, or nothing is. A transition decided on state that
//! has changed since is not applied.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{
    Challenge, ChallengeKind, Credential, CredentialKind, SessionLimit, SessionRow, Standing, Use,
};
use crate::{
    crypto::digest::Digest,
    model::{ApiKey, Session, SessionId, User},
};

/// Decides what a transition writes, given the user as locked; `None` declines it.
///
/// A store may call it more than once, so it has no side effects.
pub type Decide<'a> = &'a (dyn Fn(&User) -> Option<AccountWrites> + Send + Sync);

/// Everything that a transition writes, and the conditions it depends on.
#[derive(Clone, Debug)]
pub struct AccountWrites {
    /// The user after the transition.
    pub user: User,
    /// Conditions beside the state of the user.
    pub requires: Vec<Requirement>,
    /// The credential whose use is recorded; the transition fails if its data has changed.
    pub using: Option<Use>,
    /// Credentials to delete.
    pub remove: Remove,
    /// The new password.
    pub password: Option<Credential>,
    /// A credential to insert.
    pub add: Option<Credential>,
    /// How many credentials of the kind of [`add`](Self::add) the user may have.
    pub add_at_most: Option<u32>,
    /// An API key to insert.
    pub key: Option<NewKey>,
    /// Sessions to end.
    pub end: EndSessions,
    /// Collects the sessions that [`end`](Self::end) ended.
    pub ended: Option<EndedSessions>,
    /// Whether every pending proof and remembered device is deleted. Links that undo a change
    /// of email address are kept.
    pub end_challenges: bool,
    /// Deletes the challenges of this kind.
    pub end_challenges_of: Option<ChallengeKind>,
    /// Deletes the links that undo a change of email address, from this number on.
    pub end_undo_links: Option<u32>,
    /// Challenges to insert.
    pub challenges: Vec<Challenge>,
    /// The session that begins, or whose tokens are replaced.
    pub session: Option<SessionWrite>,
    /// What is stored of a user who lives in another store.
    pub standing: Option<Standing>,
}

/// A condition of a transition.
#[derive(Clone, Debug)]
pub enum Requirement {
    /// The challenge exists and has not expired; it is deleted.
    Challenge(Digest, Timestamp),
    /// The challenge exists and has not expired; it is not deleted.
    ChallengeStands(Digest, Timestamp),
    /// The session exists, and its tokens were renewed exactly this many times: tokens from before
    /// a renewal are no longer valid. A refresh is not a renewal.
    Session(SessionId, u32),
    /// The credential exists, unchanged since this time if one is given.
    Credential(String, Option<Timestamp>),
    /// The user has no password.
    NoPassword,
    /// The status stored here for a user of another store is unchanged.
    Standing(Standing),
}

/// Which credentials a transition deletes.
#[derive(Clone, Debug, Default)]
pub enum Remove {
    /// None.
    #[default]
    Nothing,
    /// One, if another one of the user can sign in.
    One {
        /// Its kind.
        kind: CredentialKind,
        /// Its id.
        id: String,
        /// Ids of the credentials that can sign in.
        sign_in: Vec<String>,
    },
    /// All credentials and API keys but these.
    AllBut {
        /// Ids of credentials.
        credentials: Vec<String>,
        /// Ids of API keys.
        keys: Vec<String>,
    },
}

/// Which sessions of the user a transition ends.
#[derive(Clone, Debug, Default)]
pub enum EndSessions {
    /// None.
    #[default]
    Nothing,
    /// All but this one.
    Others(SessionId),
    /// Those of a provider's user, but not this one.
    OfProvider {
        /// The id of the provider.
        provider: String,
        /// The user there.
        subject: String,
        /// The session that is kept.
        except: SessionId,
    },
    /// All of them.
    All,
}

/// Collects the sessions that a transition ended, of those that had not expired. Clones share the
/// collection. It is complete once the transition has returned [`Applied::Done`].
#[derive(Clone, Debug)]
pub struct EndedSessions {
    now: Timestamp,
    ids: Arc<Mutex<Vec<String>>>,
}

impl EndedSessions {
    /// Collects no session that had expired at this time.
    pub fn new(now: Timestamp) -> Self {
        Self { now, ids: Arc::default() }
    }

    /// Returns how many sessions were ended.
    pub fn count(&self) -> usize {
        self.ids.lock().map(|ids| ids.len()).unwrap_or_default()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn ids(&self) -> Arc<Mutex<Vec<String>>> {
        Arc::clone(&self.ids)
    }
}

/// An API key with the hash of its secret.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// The hash of its secret.
    pub hash: Digest,
    /// How many the user may have.
    pub at_most: u32,
}

/// How a transition writes a session.
#[derive(Clone, Debug)]
pub enum SessionWrite {
    /// A new session, and how many the user may have; see [`SessionStore::insert`].
    ///
    /// [`SessionStore::insert`]: super::SessionStore::insert
    Insert(Box<SessionRow>, Option<SessionLimit>),
    /// New tokens for a session of which nothing but its last use has changed.
    Renew {
        /// The row as it was read.
        from: Box<SessionRow>,
        /// The row with new tokens.
        to: Box<SessionRow>,
    },
}

/// A condition that was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The challenge is gone.
    Challenge,
    /// The session has ended, or its tokens were replaced.
    Session,
    /// The credential is gone or has changed.
    Credential,
    /// The user has a password.
    Password,
    /// The credential to delete is unknown or the last.
    Removal,
    /// The user has as many credentials or keys as allowed.
    Limit,
    /// The credential to insert exists already.
    Taken,
    /// The status stored here for a user of another store has changed.
    Standing,
}

/// The result of a transition.
#[derive(Clone, Debug)]
pub enum Applied {
    /// Committed; the user afterwards.
    Done(Box<User>),
    /// Committed, except that the session, which was to begin or to get new tokens, has ended; the
    /// user afterwards. Only where users live in another store.
    SessionEnded(Box<User>),
    /// There is no such user.
    Unknown,
    /// The decision was `None`.
    Declined,
    /// Another user has the email address or the username.
    Taken,
    /// The store has no place for a field of this name.
    Unsupported(&'static str),
    /// A condition was not met.
    Unmet(Unmet),
}

impl Requirement {
    /// Requires that the session exists and its tokens were not renewed since it was read. A
    /// refresh in the meantime is allowed.
    pub(crate) fn session(session: &Session) -> Self {
        Self::Session(session.id, session.renewals)
    }
}

impl AccountWrites {
    /// Returns the conditions of a transition without its writes, so that a custom store can check
    /// them before it writes.
    pub(crate) fn conditions(&self) -> Self {
        let requires = self.requires.iter().cloned().map(|own| match own {
            Requirement::Challenge(id, now) => Requirement::ChallengeStands(id, now),
            other => other,
        });
        let renews = self.session.iter().filter_map(|write| match write {
            SessionWrite::Renew { from, .. } => Some(Requirement::session(&from.session)),
            SessionWrite::Insert(..) => None,
        });
        Self { requires: requires.chain(renews).collect(), ..Self::new(self.user.clone()) }
    }

    /// Writes the user and nothing else.
    pub fn new(user: User) -> Self {
        Self {
            user,
            requires: Vec::new(),
            using: None,
            remove: Remove::Nothing,
            password: None,
            add: None,
            add_at_most: None,
            key: None,
            end: EndSessions::Nothing,
            ended: None,
            end_challenges: false,
            end_challenges_of: None,
            end_undo_links: None,
            challenges: Vec::new(),
            session: None,
            standing: None,
        }
    }
}
