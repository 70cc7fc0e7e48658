//! The routes of sign-in with an ID token.

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::{IdTokenSignIn, LIFETIME};
use crate::{
    contract::{
        Member, Operation, Route, Schema, Success,
        member::{DEVICE_TOKEN, DISPLAY_NAME, PERSISTENT, TRANSPORT},
        shapes::{COMPLETE, PENDING},
    },
    error::{AuthError, ErrorKind},
    flow::oauth::OAuthService,
    hook::Purpose,
    http::{
        Context,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    registry::Registry,
    services::{Client, SignInOptions},
};

type Service = State<OAuthService>;

/// The maximum length of a display name, in characters.
const MAX_NAME_LEN: usize = 200;

pub(in crate::flow::oauth) fn register(registry: &mut Registry, service: &OAuthService) {
    let path = |rest: &str| format!("/oauth/{}/{rest}", service.id());
    let own = |route: Route<_>| route.with_parameter("provider", service.id()).tagged("oauth");
    registry.own_routes(
        service,
        [
            (&path("nonce"), own(CREATE_NONCE.to(nonce))),
            (&path("id-token"), own(SIGN_IN.to(sign_in))),
        ],
    );
}

struct IdTokenBody {
    id_token: String,
    nonce: String,
    display_name: Option<String>,
    options: SignInOptions,
}

impl FromMembers for IdTokenBody {
    const MEMBERS: &'static [Member] = &[
        Member::text("id_token", "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"),
        Member::text("nonce", "anc_0123456789abcdef"),
        DISPLAY_NAME,
        TRANSPORT,
        PERSISTENT,
        DEVICE_TOKEN,
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let (id_token, nonce) = (members.required("id_token"), members.required("nonce"));
        let display_name = members.optional_text("display_name", MAX_NAME_LEN);
        let options = members.sign_in_options();
        Some(Self { id_token: id_token?, nonce: nonce?, display_name, options })
    }
}

const CREATE_NONCE: Operation =
    Operation::post("createProviderNonce", "Creates a nonce for an ID token of the provider")
        .returns(&[Success::json(
            200,
            "The nonce.",
            Schema::Object(&[
                Member::text("nonce", "anc_0123456789abcdef"),
                Member::new("expires_in", Schema::Integer(600)),
            ]),
        )])
        .fails(&[ErrorKind::Forbidden, ErrorKind::RateLimited]);

async fn nonce(
    State(service): Service,
    client: Client,
    Body(NoMembers): Body<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    client.begin(service.core(), Purpose::SignIn).await?;
    service.core().limits.ceremony(client.info().ip.as_deref()).await?;
    let nonce = service.issue_nonce().await?;
    Ok(Json(json!({ "nonce": nonce.expose(), "expires_in": LIFETIME.as_secs() })))
}

const SIGN_IN: Operation =
    Operation::post("signInWithIdToken", "Signs in with an ID token of the provider")
        .returns(&[COMPLETE, PENDING])
        .fails(&[
            ErrorKind::InvalidState,
            ErrorKind::InvalidIdToken,
            ErrorKind::ProviderDenied,
            ErrorKind::EmailNotVerified,
            ErrorKind::SignUpDisabled,
            ErrorKind::AccountDisabled,
            ErrorKind::AccountExists,
            ErrorKind::UsernameTaken,
            ErrorKind::ProviderError,
        ]);

async fn sign_in(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<IdTokenBody>,
) -> Result<Response, AuthError> {
    let IdTokenBody { id_token, nonce, display_name, options } = body;
    let sign_in = IdTokenSignIn::new(&id_token, &nonce).options(options);
    let sign_in = display_name.iter().fold(sign_in, |own, name| own.display_name(name));
    let outcome = service.sign_in_with_id_token(sign_in, client.info().clone()).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}
