//! The code that begins an account recovery, at `POST /verify`.

use http::StatusCode;
use serde_json::json;

use super::{
    ChallengeHandle, Client, Outcome, PendingChallenge, Services, SignInOutcome,
    account_recovery::RequestedRecovery,
    code_handlers::{AnyCodes, Boxed},
};
use crate::{error::ErrorKind, model::Factor, store::ChallengeKind};

/// The requests of account recoveries, which a code completes.
#[derive(Clone, Debug)]
pub(crate) struct RecoveryRequests(pub(crate) Services);

impl AnyCodes for RecoveryRequests {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::RecoveryRequest
    }

    fn factor(&self) -> Factor {
        Factor::EmailCode
    }

    fn verify<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
        code: &'a str,
    ) -> Boxed<'a, SignInOutcome> {
        Box::pin(async move {
            let core = self.0.core()?;
            let auth = client.context().signed_in().await?;
            let owner = auth.as_ref().map(|auth| (auth.user(), auth.session()));
            let ip = client.info().ip.as_deref();
            let request = core.answer(handle.expose(), code, owner, ip).await?;
            let owner = owner.ok_or(ErrorKind::Unauthenticated)?;
            let begun = core.begin_recovery(&request, owner, client.info()).await?;
            let RequestedRecovery { user, issued, available_at } = begun;
            Ok(match core.respond(client, Outcome::complete(user, issued)).await {
                SignInOutcome::Complete(signed_in) => {
                    let body = json!({ "available_at": available_at });
                    SignInOutcome::Complete(signed_in.with_body(StatusCode::OK, body))
                }
                pending => pending,
            })
        })
    }

    fn resend<'a>(
        &'a self,
        client: &'a Client,
        handle: &'a ChallengeHandle,
    ) -> Boxed<'a, PendingChallenge> {
        Box::pin(async move {
            let core = self.0.core()?;
            let pending = core.ask_again(handle.expose(), client.info()).await?;
            Ok(PendingChallenge::new(&core, pending))
        })
    }
}
