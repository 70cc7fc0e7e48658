//! Handlers of verified codes, by the kind of their challenge.

use std::{pin::Pin, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    ChallengeHandle, Client, Consumed, Core, PendingChallenge, SignInOutcome,
    code_challenges::CodeChallenges,
};
use crate::{error::AuthError, model::Factor, store::ChallengeKind};

/// A handler of verified codes. `POST /verify` and forms of the application call it.
pub trait CodeHandler<T>: Send + Sync + 'static {
    /// Runs after the challenge was consumed.
    fn verified(
        &self,
        client: &Client,
        consumed: Consumed<T>,
    ) -> impl Future<Output = Result<SignInOutcome, AuthError>> + Send;
}

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

/// Challenges of a kind with their handler, object-safe.
pub(crate) trait AnyCodes: Send + Sync {
    fn kind(&self) -> ChallengeKind;

    /// Returns the factor that a code proves.
    fn factor(&self) -> Factor;

    fn verify<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
        code: &'a str,
    ) -> Boxed<'a, SignInOutcome>;

    fn resend<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
    ) -> Boxed<'a, PendingChallenge>;
}

/// Challenges with their handler.
pub(crate) struct Handled<T, H> {
    pub(crate) codes: CodeChallenges<T>,
    pub(crate) handler: H,
}

impl<T, H> AnyCodes for Handled<T, H>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    H: CodeHandler<T>,
{
    fn kind(&self) -> ChallengeKind {
        self.codes.kind()
    }

    fn factor(&self) -> Factor {
        self.codes.factor()
    }

    fn verify<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
        code: &'a str,
    ) -> Boxed<'a, SignInOutcome> {
        Box::pin(async move {
            let consumed = self.codes.attempt(client, handle, code).await?;
            self.handler.verified(client, consumed).await
        })
    }

    fn resend<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
    ) -> Boxed<'a, PendingChallenge> {
        Box::pin(self.codes.resend(client, handle))
    }
}

/// The kinds of challenges of flows outside this crate that `POST /verify` accepts.
#[derive(Default)]
pub(crate) struct CodeHandlers(pub(crate) Vec<Arc<dyn AnyCodes>>);

impl Core {
    /// Returns the kinds of challenges of flows, with the handlers of their codes.
    pub(crate) fn code_handlers(&self) -> &[Arc<dyn AnyCodes>] {
        self.offered::<CodeHandlers>().map_or(&[], |handlers| &handlers.0)
    }
}
