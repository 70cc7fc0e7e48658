//! A verified session with its user, and the hashes of its tokens.

use std::{
    any::Any,
    sync::{Arc, OnceLock, Weak},
};

use jiff::Timestamp;

use crate::{
    crypto::{
        digest::{Digest, Domain},
        token::AccessToken,
    },
    model::{ApiKey, Session, User},
    store::{AccessTokenRow, ReadVersion},
};

/// A verified session with its user.
// The fields are in this order, because a cache hit reads mainly the first ones.
#[repr(C)]
#[derive(Debug)]
pub struct AuthenticatedSession {
    /// The validity of the cache entry, if the session is cached.
    pub(super) kept: Option<Kept>,
    /// The configuration that the session belongs to, for methods of the user.
    pub(super) core: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// The user, who was active at the time.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The API key, if one authenticated the request in place of a session.
    pub key: Option<Box<KeyGrant>>,
}

/// An API key, with the roles and scopes of its owner.
#[derive(Debug)]
pub struct KeyGrant {
    /// The key.
    pub key: ApiKey,
    /// The roles of the owner, which the key does not have.
    pub(crate) roles: Vec<String>,
    /// All scopes of the owner.
    pub(crate) scopes: Vec<String>,
}

impl AuthenticatedSession {
    /// Creates a verified session.
    pub(crate) fn new(session: Session, user: User) -> Self {
        Self { session, user, key: None, kept: None, core: OnceLock::new() }
    }

    /// Creates the identity of a request that presented an API key.
    pub(crate) fn by_key(session: Session, user: User, grant: KeyGrant) -> Self {
        Self { key: Some(Box::new(grant)), ..Self::new(session, user) }
    }
}

/// The result of verifying an access token.
///
/// ```
/// use authlayer::session::TokenVerification;
/// fn describe(result: &TokenVerification) -> String {
///     match result {
///         TokenVerification::Valid(session) => format!("the user {}", session.user.id),
///         TokenVerification::Rejected(reason) => format!("rejected: {reason:?}"),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub enum TokenVerification {
    /// The token is valid: the session with its user.
    Valid(Arc<AuthenticatedSession>),
    /// The token is rejected.
    Rejected(TokenRejection),
}

impl TokenVerification {
    /// Returns `true` if the token is valid.
    ///
    /// ```
    /// # use authlayer::session::{TokenRejection, TokenVerification};
    /// assert!(!TokenVerification::Rejected(TokenRejection::Expired).is_valid());
    /// ```
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }

    /// Returns the session with its user, if the token is valid.
    ///
    /// ```
    /// # use authlayer::session::{TokenRejection, TokenVerification};
    /// assert!(TokenVerification::Rejected(TokenRejection::Unknown).valid().is_none());
    /// ```
    pub fn valid(self) -> Option<Arc<AuthenticatedSession>> {
        match self {
            Self::Valid(session) => Some(session),
            Self::Rejected(_) => None,
        }
    }
}

/// The reason why an access token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenRejection {
    /// The session does not exist, or the token does not belong to it.
    Unknown,
    /// The token or the session has expired.
    Expired,
    /// The user is disabled.
    Disabled,
}

/// Pending writes, which a cache hit would skip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes {
    /// The generation whose first use is not recorded yet.
    pub(super) unconfirmed: Option<u32>,
    /// The time at which the next use must be recorded, in milliseconds since 1970.
    pub(super) again: i64,
}

/// The hashes of the valid access tokens of a session, with their expiry.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Recognised {
    access: Until,
    previous: Option<Until>,
}

/// The hash of a token and the time in milliseconds at which the token or its session expires.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Until {
    hash: Digest,
    end: i64,
}

/// The validity of a cache entry. The fields are in the order in which a cache hit reads them.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Kept {
    pub(super) until: u64,
    pub(super) reading: ReadVersion,
    pub(super) notes: Notes,
    pub(super) recognised: Recognised,
    pub(super) bytes: u64,
}

impl Recognised {
    pub(super) fn of(row: &AccessTokenRow) -> Self {
        let until = |hash, end: Timestamp| Until {
            hash,
            end: end.min(row.session.expires_at).as_millisecond(),
        };
        Self {
            access: until(row.access_hash, row.session.access_expires_at),
            previous: row.previous_access.map(|(hash, end)| until(hash, end)),
        }
    }

    fn find(&self, token: &AccessToken) -> Option<&Until> {
        let digest = token.secret.digest(Domain::ACCESS);
        let matching = |until: &&Until| until.hash.ct_eq(&digest);
        let until = Some(&self.access).filter(matching);
        until.or_else(|| self.previous.as_ref().filter(matching))
    }

    /// Checks whether a token is valid for the session at a time. A token is expired at the time of
    /// its expiry.
    pub(super) fn judge(&self, token: &AccessToken, now: Timestamp) -> Result<(), TokenRejection> {
        match self.find(token) {
            None => Err(TokenRejection::Unknown),
            Some(until) if now.as_millisecond() >= until.end => Err(TokenRejection::Expired),
            Some(_) => Ok(()),
        }
    }
}

/// Returns when a token of a session expires, or `None` if it is not one of the session.
pub(super) fn expiry(row: &AccessTokenRow, token: &AccessToken) -> Option<Timestamp> {
    let end = Recognised::of(row).find(token)?.end;
    Timestamp::from_millisecond(end).ok()
}

/// Returns whether a token belongs to a session, even if it has expired.
pub(super) fn access_matches(row: &AccessTokenRow, token: &AccessToken) -> bool {
    Recognised::of(row).judge(token, Timestamp::MIN).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::secret::Secret,
        model::{SessionId, Transport, UserId},
    };

    const ID: SessionId = SessionId::from_bytes([1; 16]);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn row() -> AccessTokenRow {
        let mut session = Session::new(ID, UserId::new("u"), Transport::Cookie, at(0));
        session.access_expires_at = at(20);
        session.expires_at = at(30);
        AccessTokenRow {
            session,
            generation: 5,
            access_hash: Digest::hash(Domain::ACCESS, &[5; 32]),
            previous_access: Some((Digest::hash(Domain::ACCESS, &[4; 32]), at(10))),
            confirmed_at: None,
        }
    }

    fn token(generation: u32, byte: u8) -> AccessToken {
        AccessToken { session: ID, generation, secret: Secret::from_bytes([byte; 32]) }
    }

    #[test]
    fn token_is_valid_until_its_expiry_exclusively() {
        // CR-08, SE-06
        let mut capped = row();
        capped.session.expires_at = at(15);
        for (name, row, token, second, outcome) in [
            ("current", row(), token(5, 5), 19, Ok(())),
            ("current at its end", row(), token(5, 5), 20, Err(TokenRejection::Expired)),
            ("previous", row(), token(4, 4), 9, Ok(())),
            ("previous at its end", row(), token(4, 4), 10, Err(TokenRejection::Expired)),
            ("capped", capped.clone(), token(5, 5), 14, Ok(())),
            ("capped at the end", capped, token(5, 5), 15, Err(TokenRejection::Expired)),
            ("wrong secret", row(), token(5, 6), 1, Err(TokenRejection::Unknown)),
        ] {
            assert_eq!(Recognised::of(&row).judge(&token, at(second)), outcome, "{name}");
        }
    }
}
