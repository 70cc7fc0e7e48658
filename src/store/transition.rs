//! Account transitions: changes of how a user signs in.
//!
//! A transition is decided while the user is locked in the store, and applied in one transaction:
//! either all of its writes are committed or none. A transition whose decision depends on state
//! that has changed since is not applied.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::{
    AccountFlags, Challenge, ChallengeKind, Creation, Credential, CredentialKind, CredentialUpdate,
    Remaining, SessionLimit, SessionRow, StoredMail,
};
use crate::{
    crypto::digest::Digest,
    model::{ApiKey, Session, SessionId, User},
    store::SessionTag,
};

/// Decides what a transition writes, given the locked user. Returns `None` to decline it.
///
/// A store may call it more than once, so it must not have side effects.
pub type Decide<'a> = &'a (dyn Fn(&User) -> Option<AccountWrites> + Send + Sync);

/// All writes of a transition, and the conditions it depends on.
#[derive(Clone, Debug)]
pub struct AccountWrites {
    /// The user after the transition.
    pub user: User,
    /// Conditions in addition to the state of the user.
    pub requires: Vec<Requirement>,
    /// The credential whose use is recorded; the transition fails if its data has changed.
    pub using: Option<CredentialUpdate>,
    /// Credentials to delete.
    pub remove: Remove,
    /// Credentials to delete unless another one remains that they depend on.
    pub dependents: Vec<Dependents>,
    /// The new password.
    pub password: Option<Credential>,
    /// A credential to insert.
    pub add: Option<Credential>,
    /// The maximum number of credentials of the kind of [`add`](Self::add).
    pub add_at_most: Option<u32>,
    /// Credentials of kinds of which a user has one, to insert or to replace.
    pub put: Vec<Credential>,
    /// An API key to insert.
    pub key: Option<NewKey>,
    /// Sessions to delete.
    pub end: EndSessions,
    /// Collects the sessions that [`end`](Self::end) deletes.
    pub ended: Option<EndedSessions>,
    /// Whether all pending challenges and remembered devices are deleted, and account recoveries end.
    /// Links that undo a change of email address or stop a recovery are retained.
    pub end_challenges: bool,
    /// The kinds of flows outside this crate whose challenges are retained all the same.
    pub surviving_challenges: Vec<&'static str>,
    /// Deletes the challenges of this kind.
    pub end_challenges_of: Option<ChallengeKind>,
    /// Deletes the challenges of these kinds of flows outside this crate.
    pub end_challenge_kinds: Vec<&'static str>,
    /// Deletes the credentials of these kinds of flows outside this crate.
    pub end_credential_kinds: Vec<&'static str>,
    /// Deletes the links that undo a change of email address, from this number on.
    pub end_undo_links: Option<u32>,
    /// Ends the account recoveries that waive a strength of at most this rank, since a factor of
    /// that strength was verified.
    pub end_recoveries: Option<u32>,
    /// Challenges to insert.
    pub challenges: Vec<Challenge>,
    /// Messages to store, which are sent once the transition is committed.
    pub mails: Vec<StoredMail>,
    /// The session to insert, or whose tokens are replaced.
    pub session: Option<SessionWrite>,
    /// The status to store for a user whose record is in another store.
    pub standing: Option<AccountFlags>,
    /// The way the user is created, if the transition creates one or gives its id to another person.
    pub created: Option<Creation>,
    /// The user who must still pass a rule at the end of the transaction. It is checked where users
    /// are in this database.
    pub remaining: Option<Remaining>,
}

/// A condition of a transition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Requirement {
    /// The challenge exists and has not expired; it is deleted.
    Challenge(Digest, Timestamp),
    /// The challenge exists and has not expired; it is not deleted.
    ChallengeStands(Digest, Timestamp),
    /// The session exists, and its tokens were renewed exactly this many times: tokens from before
    /// a renewal are not valid. A refresh is not a renewal.
    Session(SessionId, u32),
    /// The credential exists, unchanged since this time if one is given.
    Credential(String, Option<Timestamp>),
    /// The user has no password.
    NoPassword,
    /// The status stored here for a user of another store is unchanged.
    AccountFlags(AccountFlags),
}

/// The credentials that a transition deletes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Remove {
    /// None.
    #[default]
    Nothing,
    /// One, if the user has another credential to sign in with.
    One {
        /// Its kind.
        kind: CredentialKind,
        /// Its id.
        id: String,
        /// Ids of the credentials that can sign in.
        sign_in: Vec<String>,
    },
    /// All credentials and API keys except for these.
    AllBut {
        /// Ids of credentials.
        credentials: Vec<String>,
        /// Ids of API keys.
        keys: Vec<String>,
    },
}

/// Credentials that depend on others, such as recovery codes on authenticator apps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dependents {
    /// The kind of the credentials to delete.
    pub kind: CredentialKind,
    /// Ids of the credentials that they depend on.
    pub on: Vec<String>,
}

/// The sessions of the user that a transition deletes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum EndSessions {
    /// None.
    #[default]
    Nothing,
    /// All except for this one.
    Others(SessionId),
    /// Those with a tag, except for one.
    Tagged {
        /// The tag.
        tag: SessionTag,
        /// The session to retain.
        except: SessionId,
    },
    /// Those on which a credential was verified, except for one if given.
    OfCredential {
        /// The name of its factor.
        factor: &'static str,
        /// Identifies the credential, as proofs store it.
        tag: String,
        /// The session to retain.
        except: Option<SessionId>,
    },
    /// All of them.
    All,
}

/// Collects the sessions that a transition deleted, if they had not expired. Clones share the
/// collection. It is complete once the transition has returned [`Applied::Done`].
#[derive(Clone, Debug)]
pub struct EndedSessions {
    now: Timestamp,
    ids: Arc<Mutex<Vec<String>>>,
}

impl EndedSessions {
    /// Creates an empty collection. Sessions that had expired at this time are not collected.
    pub fn new(now: Timestamp) -> Self {
        Self { now, ids: Arc::default() }
    }

    /// Returns the number of collected sessions.
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
#[non_exhaustive]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// The hash of its secret.
    pub hash: Digest,
    /// The maximum number of keys of the user.
    pub at_most: u32,
}

/// How a transition writes a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionWrite {
    /// Inserts a new session, with the maximum number of sessions of the user. See
    /// [`SessionStore::insert`].
    ///
    /// [`SessionStore::insert`]: super::SessionStore::insert
    Insert(Box<SessionRow>, Option<SessionLimit>),
    /// Replaces the tokens of a session in which nothing but its last use has changed.
    Renew {
        /// The row as it was read.
        from: Box<SessionRow>,
        /// The row with new tokens.
        to: Box<SessionRow>,
    },
}

/// A condition that was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmet {
    /// The challenge does not exist or has expired.
    Challenge,
    /// The session does not exist, or its tokens were replaced.
    Session,
    /// The credential does not exist or has changed.
    Credential,
    /// The user has a password.
    Password,
    /// The credential to delete does not exist or is the last one.
    Removal,
    /// The user has the maximum number of credentials or keys.
    Limit,
    /// The credential to insert exists already.
    Taken,
    /// The status stored here for a user of another store has changed.
    AccountFlags,
    /// The user who must remain does not pass the rule anymore.
    Administrator,
}

/// The result of a transition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Applied {
    /// Committed; the user afterwards.
    Done(Box<User>),
    /// Committed, except that the session to insert or renew has ended; the user afterwards. This
    /// occurs only if users are in another store.
    SessionEnded(Box<User>),
    /// The user does not exist.
    Unknown,
    /// The decision was `None`.
    Declined,
    /// Another user has the email address or the username.
    Taken,
    /// The store cannot store the field of this name.
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

    /// Creates a transition that writes only the user.
    pub fn new(user: User) -> Self {
        Self {
            user,
            requires: Vec::new(),
            using: None,
            remove: Remove::Nothing,
            dependents: Vec::new(),
            password: None,
            add: None,
            add_at_most: None,
            put: Vec::new(),
            key: None,
            end: EndSessions::Nothing,
            ended: None,
            end_challenges: false,
            surviving_challenges: Vec::new(),
            end_challenges_of: None,
            end_challenge_kinds: Vec::new(),
            end_credential_kinds: Vec::new(),
            end_undo_links: None,
            end_recoveries: None,
            challenges: Vec::new(),
            mails: Vec::new(),
            session: None,
            standing: None,
            created: None,
            remaining: None,
        }
    }
}
