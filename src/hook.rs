//! Where the application has a say before something happens.

use std::error::Error as StdError;

use async_trait::async_trait;

use crate::{
    error::{AuthError, ErrorKind},
    model::{Client, Factor, User},
};

/// Why something is not to happen.
#[derive(Debug)]
pub enum Veto {
    /// It may not: 403 `forbidden` with this sentence, the same for everybody.
    Forbidden(&'static str),
    /// It cannot be told now: 503.
    Unknown(Box<dyn StdError + Send + Sync>),
}

/// The application's say before somebody signs up or in. What happened afterwards is told by
/// events.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Before a user is made, or a code is sent to the address of one who would be. It is asked
    /// whether or not the address is taken, so a refusal tells nothing of that.
    async fn before_sign_up(&self, _user: &User, _client: &Client) -> Result<(), Veto> {
        Ok(())
    }

    /// Before a session begins or a second step is asked for, once the first factor was proved.
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
