//! Hooks that can reject a sign-up or a sign-in.

use std::error::Error as StdError;

use async_trait::async_trait;

use crate::{
    error::{AuthError, ErrorKind},
    model::{Client, Factor, User},
};

/// The reason why a hook rejects an operation.
#[derive(Debug)]
pub enum Veto {
    /// The operation is forbidden: 403 `forbidden` with this detail, the same for all users.
    Forbidden(&'static str),
    /// The decision is not possible now, for example because a service is unavailable: 503.
    Unknown(Box<dyn StdError + Send + Sync>),
}

/// Hooks that run before a sign-up or a sign-in. For notifications afterwards use events.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Called before a user is created, or a code is sent to the email address of an unregistered
    /// user. It is called whether or not the email address is taken, so a rejection does not reveal
    /// that.
    async fn before_sign_up(&self, _user: &User, _client: &Client) -> Result<(), Veto> {
        Ok(())
    }

    /// Called after the first factor is verified, before a session is created or a second factor is
    /// requested.
    async fn before_sign_in(
        &self,
        _user: &User,
        _factor: Factor,
        _client: &Client,
    ) -> Result<(), Veto> {
        Ok(())
    }
}

impl From<Veto> for AuthError {
    fn from(veto: Veto) -> Self {
        match veto {
            Veto::Forbidden(detail) => Self::new(ErrorKind::Forbidden).with_detail(detail),
            Veto::Unknown(cause) => Self::new(ErrorKind::Unavailable).because(cause),
        }
    }
}
