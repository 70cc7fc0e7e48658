//! The claims of a token (RFC 9068 §2.2).

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    crypto::random,
    error::AuthError,
    model::{Session, User},
};

/// The lifetime of a token in seconds.
pub(super) const LIFETIME: i64 = 60;

/// The claims of a token.
#[derive(Debug, Serialize)]
pub(super) struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
    sid: String,
    client_id: &'a str,
    roles: &'a [String],
    scope: String,
    auth_time: i64,
    amr: Vec<&'static str>,
    /// The administrator who acts as the user (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor<'a>>,
    /// The key that the session is bound to (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

/// A key by its thumbprint.
#[derive(Debug, Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

/// The party that acts as the subject.
#[derive(Debug, Serialize)]
struct Actor<'a> {
    sub: &'a str,
}

impl<'a> Claims<'a> {
    /// Assembles the claims of a session. The client is a program that the user approved, or else the
    /// application, by its origin.
    pub(super) fn new(
        origin: &'a str,
        program: Option<&'a str>,
        (user, session): (&'a User, &'a Session),
        audience: &'a str,
        now: Timestamp,
    ) -> Result<Self, AuthError> {
        let iat = now.as_second();
        Ok(Self {
            iss: origin,
            sub: user.id.as_str(),
            aud: audience,
            exp: iat.saturating_add(LIFETIME),
            iat,
            jti: random::uuid_v7(now)?,
            sid: session.id.to_string(),
            client_id: program.unwrap_or(origin),
            roles: &user.roles,
            scope: user.scopes.join(" "),
            auth_time: session.auth_time().as_second(),
            amr: session.amr(),
            cnf: session.binding().map(|own| Confirmation { jkt: own.thumbprint() }),
            act: session.impersonator.as_ref().map(|own| Actor { sub: own.id.as_str() }),
        })
    }
}
