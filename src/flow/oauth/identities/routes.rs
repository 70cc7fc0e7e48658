//! The routes of a user's identities.

use std::sync::Arc;

use axum::extract::{Path, State, rejection::PathRejection};
use http::StatusCode;
use serde_json::json;

use super::super::OAuthService;
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        shapes::{DONE, IDENTITY},
    },
    error::{AuthError, ErrorKind},
    http::{Fresh, SignedIn, client::ClientOf, in_process::SharedJson, json::NoMembers},
    services::Core,
};

pub(in crate::flow::oauth) const LIST_IDENTITIES: Operation =
    Operation::get("listIdentities", "Lists the linked identities").returns(&[Success::json(
        200,
        "The identities, and the other sign-in methods.",
        Schema::Object(&[
            Member::new("identities", Schema::List(&IDENTITY)),
            Member::new("has_password", Schema::Boolean(true)),
            Member::new("passkeys", Schema::Integer(1)),
        ]),
    )]);

pub(in crate::flow::oauth) async fn identities(
    State(service): State<OAuthService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let all = service.core().identities(auth.user()).await?;
    let views = all.linked.iter().map(|(own, snapshot)| {
        json!({
            "id": own.id,
            "provider": snapshot.provider,
            "subject": snapshot.subject,
            "email": snapshot.email,
            "linked_at": own.created_at,
        })
    });
    Ok(SharedJson(json!({
        "identities": views.collect::<Vec<_>>(),
        "has_password": all.has_password,
        "passkeys": all.passkeys,
    })))
}

pub(in crate::flow::oauth) const UNLINK_IDENTITY: Operation =
    Operation::delete("unlinkIdentity", "Removes an identity")
        .returns(&[DONE])
        .fails(&[ErrorKind::LastCredential]);

pub(in crate::flow::oauth) async fn unlink(
    State(service): State<OAuthService>,
    ClientOf(client): ClientOf,
    id: Result<Path<String>, PathRejection>,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    let core: &Arc<Core> = service.core();
    core.unlink(auth.user(), &id, auth.session(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
