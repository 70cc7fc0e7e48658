//! The route that a provider calls when a session ends there, and the one to which it leads back.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::StatusCode;

use super::super::OAuthService;
use crate::{
    contract::{Member, Operation, Success},
    error::{AuthError, ErrorKind},
    http::{
        query::{Form, Query},
        reply,
    },
};

type Service = State<OAuthService>;

pub(in crate::flow::oauth) const LOGOUT: Operation =
    Operation::post("receiveBackChannelLogout", "Ends the sessions of a logout token")
        .form(&[Member::text("logout_token", "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl")])
        .returns(&[Success::empty(200, "Done.")])
        .fails(&[ErrorKind::NotFound]);

pub(in crate::flow::oauth) async fn back_channel_logout(
    State(service): Service,
    form: Result<Form, AuthError>,
) -> Result<StatusCode, AuthError> {
    let end = async {
        let Form(form) = form?;
        let token = form.once("logout_token")?.ok_or(ErrorKind::InvalidRequest)?;
        service.back_channel_logout(token).await
    };
    end.await.map_err(refused_logout)?;
    Ok(StatusCode::OK)
}

/// Returns 400 for a token that is too long or could not be verified (Back-Channel Logout 1.0
/// §2.8).
fn refused_logout(error: AuthError) -> AuthError {
    match error.kind() {
        ErrorKind::PayloadTooLarge | ErrorKind::ProviderError => {
            AuthError::new(ErrorKind::InvalidRequest).with_source(error)
        }
        _ => error,
    }
}

pub(in crate::flow::oauth) const SIGNED_OUT: Operation =
    Operation::get("finishProviderSignOut", "Returns from the sign-out at the provider")
        .query(&[Member::text("state", "0123456789abcdef").optional()])
        .returns(&[Success::redirect("The application.")]);

/// Redirects to the application after a sign-out at the provider, to the target that the sign-out
/// requested (RP-Initiated Logout 1.0 §3). It is checked again, since the URL can be changed.
pub(in crate::flow::oauth) async fn signed_out(
    State(service): Service,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let state = query.once("state").ok().flatten();
    let target = state.and_then(|state| service.core().signed_out_target(state));
    reply::see_other(target.as_deref().unwrap_or("/"))
}
