//! The exchange of a one-time code for tokens.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::super::OAuthService;
use crate::{
    contract::{
        Member, Operation,
        shapes::{COMPLETE, CREATED, PENDING},
    },
    error::{AuthError, ErrorKind},
    http::{
        Context,
        client::ClientOf,
        json::{Body, FromMembers, Members},
        reply,
    },
};

pub(in crate::flow::oauth) struct ExchangeBody {
    code: String,
    code_verifier: String,
}

impl FromMembers for ExchangeBody {
    const MEMBERS: &'static [Member] = &[
        Member::text("code", "aoc_0123456789abcdef"),
        Member::text("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let (code, code_verifier) = (members.required("code"), members.required("code_verifier"));
        Some(Self { code: code?, code_verifier: code_verifier? })
    }
}

pub(in crate::flow::oauth) const EXCHANGE: Operation =
    Operation::post("exchangeCode", "Exchanges the code of a native application for tokens")
        .returns(&[COMPLETE, CREATED, PENDING])
        .fails(&[ErrorKind::InvalidCode, ErrorKind::Forbidden, ErrorKind::AccountDisabled]);

pub(in crate::flow::oauth) async fn exchange(
    State(service): State<OAuthService>,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<ExchangeBody>,
) -> Result<Response, AuthError> {
    let outcome = service.redeem_code(&body.code, &body.code_verifier, client).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}
