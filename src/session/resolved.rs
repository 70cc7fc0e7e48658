//! A session with its user, and by what its tokens are recognised.

use jiff::Timestamp;

use crate::{
    crypto::{
        digest::{Digest, Domain},
        token::AccessToken,
    },
    model::{ApiKey, Session, User},
    store::{AccessRow, Reading},
};

/// A session that was verified, with its user.
// In this order: a request that finds it kept reads its beginning, and little else of it.
#[repr(C)]
#[derive(Debug)]
pub struct Resolved {
    /// How long this may be kept, and for which tokens.
    pub(super) kept: Option<Kept>,
    /// The user, active at the time.
    pub user: User,
    /// The session.
    pub session: Session,
    /// The API key, if one authenticated the request in place of a session.
    pub key: Option<Box<KeyGrant>>,
}

/// An API key, with what its owner may do beyond it.
#[derive(Debug)]
pub struct KeyGrant {
    /// The key.
    pub key: ApiKey,
    /// The roles of its owner, which the key does not carry.
    pub(crate) roles: Vec<String>,
    /// All scopes of its owner.
    pub(crate) scopes: Vec<String>,
}

impl Resolved {
    /// A user on a session.
    pub(crate) fn new(session: Session, user: User) -> Self {
        Self { session, user, key: None, kept: None }
    }

    /// Creates the identity of a request that presented an API key.
    pub(crate) fn by_key(session: Session, user: User, grant: KeyGrant) -> Self {
        Self { key: Some(Box::new(grant)), ..Self::new(session, user) }
    }
}

/// Why an access token does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such session, or the token is not its own.
    Unknown,
    /// The token, or the session, has ended.
    Expired,
    /// The user may not sign in.
    Disabled,
}

/// What is written on the way, and so not by a session that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes {
    /// The generation whose first use has yet to be noted.
    pub(super) unconfirmed: Option<u32>,
    /// When its use is to be noted again, in milliseconds.
    pub(super) again: i64,
}

/// By what an access token of a session is recognised, and until when.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Recognised {
    access: Until,
    previous: Option<Until>,
}

/// A token is good until the millisecond at which it or its session ends.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Until {
    hash: Digest,
    end: i64,
}

/// How long something may be kept, and for which tokens. In the order in which a hit asks.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Kept {
    pub(super) until: u64,
    pub(super) reading: Reading,
    pub(super) notes: Notes,
    pub(super) recognised: Recognised,
    pub(super) bytes: u64,
}

impl Recognised {
    pub(super) fn of(row: &AccessRow) -> Self {
        let until = |hash, end: Timestamp| Until {
            hash,
            end: end.min(row.session.expires_at).as_millisecond(),
        };
        Self {
            access: until(row.access_hash, row.session.access_expires_at),
            previous: row.previous_access.map(|(hash, end)| until(hash, end)),
        }
    }

    /// Whether a token is good for the session at a moment; an expiry that equals the moment
    /// has passed.
    pub(super) fn judge(&self, token: &AccessToken, now: Timestamp) -> Result<(), Refusal> {
        let digest = token.secret.digest(Domain::ACCESS);
        let matching = |until: &&Until| until.hash.matches(&digest);
        let until = Some(&self.access).filter(matching);
        let until = until.or_else(|| self.previous.as_ref().filter(matching));
        match until {
            None => Err(Refusal::Unknown),
            Some(until) if now.as_millisecond() >= until.end => Err(Refusal::Expired),
            Some(_) => Ok(()),
        }
    }
}

/// Whether a token belongs to a session, expired or not.
pub(super) fn access_matches(row: &AccessRow, token: &AccessToken) -> bool {
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

    fn row() -> AccessRow {
        let mut session = Session::new(ID, UserId::new("u"), Transport::Cookie, at(0));
        session.access_expires_at = at(20);
        session.expires_at = at(30);
        AccessRow {
            session,
            generation: 5,
            access_hash: Digest::of(Domain::ACCESS, &[5; 32]),
            previous_access: Some((Digest::of(Domain::ACCESS, &[4; 32]), at(10))),
            confirmed_at: None,
        }
    }

    fn token(generation: u32, byte: u8) -> AccessToken {
        AccessToken { session: ID, generation, secret: Secret::from_bytes([byte; 32]) }
    }

    #[test]
    fn a_token_is_good_until_its_own_expiry_and_not_at_it() {
        // CR-08, SE-06
        let mut capped = row();
        capped.session.expires_at = at(15);
        for (name, row, token, second, outcome) in [
            ("current", row(), token(5, 5), 19, Ok(())),
            ("current at its end", row(), token(5, 5), 20, Err(Refusal::Expired)),
            ("previous", row(), token(4, 4), 9, Ok(())),
            ("previous at its end", row(), token(4, 4), 10, Err(Refusal::Expired)),
            ("capped", capped.clone(), token(5, 5), 14, Ok(())),
            ("capped at the end", capped, token(5, 5), 15, Err(Refusal::Expired)),
            ("wrong secret", row(), token(5, 6), 1, Err(Refusal::Unknown)),
        ] {
            assert_eq!(Recognised::of(&row).judge(&token, at(second)), outcome, "{name}");
        }
    }
}
