//! The caller of a request.

use crate::{
    error::{AuthError, ErrorKind},
    session::AuthUser,
};

#[derive(Clone)]
pub(super) enum Caller {
    User(AuthUser),
    /// An API key, which most routes do not accept.
    Program(AuthUser),
    /// A credential that is not valid.
    Refused,
    /// A session that is bound to a key of the client, without a valid proof of it: the error.
    Unproven(ErrorKind),
    /// No credential.
    Anonymous,
}

impl Caller {
    /// Returns the user of a session.
    pub(super) fn user(&self) -> Option<&AuthUser> {
        match self {
            Self::User(user) => Some(user),
            Self::Program(_) | Self::Refused | Self::Unproven(_) | Self::Anonymous => None,
        }
    }

    /// Returns the caller, or the error that there is none.
    pub(super) fn required(self) -> Result<AuthUser, AuthError> {
        match self {
            Self::User(user) | Self::Program(user) => Ok(user),
            Self::Refused => Err(ErrorKind::InvalidToken.into()),
            Self::Unproven(kind) => Err(kind.into()),
            Self::Anonymous => Err(ErrorKind::Unauthenticated.into()),
        }
    }
}
