//! `POST /sign-up`, `POST /sign-in`.

use axum::{Extension, Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{PasswordService, SignUp};
use crate::{
    error::AuthError,
    http::{
        Context,
        client::ClientInfo,
        json::{Body, FromMembers, Members},
        reply,
    },
    model::Transport,
};

pub(super) fn router(service: PasswordService) -> Router {
    Router::new()
        .route("/sign-up", post(sign_up))
        .route("/sign-in", post(sign_in))
        .with_state(service)
}

/// In characters.
const LONGEST_NAME: usize = 200;

struct SignUpBody {
    email: String,
    password: String,
    display_name: Option<String>,
    user_metadata: Option<Map<String, Value>>,
    transport: Option<Transport>,
}

impl FromMembers for SignUpBody {
    fn read(members: &mut Members) -> Option<Self> {
        let email = members.required("email");
        let password = members.required("password");
        let display_name = members.optional_line("display_name", LONGEST_NAME);
        let user_metadata = members.optional("user_metadata");
        let transport = members.optional("transport");
        Some(Self { email: email?, password: password?, display_name, user_metadata, transport })
    }
}

struct SignInBody {
    email: String,
    password: String,
    transport: Option<Transport>,
}

impl FromMembers for SignInBody {
    fn read(members: &mut Members) -> Option<Self> {
        let email = members.required("email");
        let password = members.required("password");
        let transport = members.optional("transport");
        Some(Self { email: email?, password: password?, transport })
    }
}

async fn sign_up(
    State(service): State<PasswordService>,
    Extension(context): Extension<Context>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<SignUpBody>,
) -> Result<Response, AuthError> {
    let transport = service.core().sessions.options().transport(body.transport)?;
    let sign_up = SignUp {
        email: &body.email,
        password: &body.password,
        display_name: body.display_name,
        user_metadata: body.user_metadata.unwrap_or_default(),
    };
    let (user, issued) = service.sign_up(sign_up, transport, client).await?;
    reply::signed_in(service.core(), &context, StatusCode::CREATED, &user, issued).await
}

async fn sign_in(
    State(service): State<PasswordService>,
    Extension(context): Extension<Context>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<SignInBody>,
) -> Result<Response, AuthError> {
    let transport = service.core().sessions.options().transport(body.transport)?;
    let (user, issued) = service.sign_in(&body.email, &body.password, transport, client).await?;
    reply::signed_in(service.core(), &context, StatusCode::OK, &user, issued).await
}
