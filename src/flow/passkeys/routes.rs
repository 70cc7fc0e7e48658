//! The routes below `/passkeys`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    PasskeyService, kind::NewKey, list::view_of, prove::StepUpTarget, registered::PASSKEY,
    service::Ceremony,
};
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        member::{CHALLENGE, DEVICE_TOKEN, NAME, PERSISTENT, TRANSPORT},
        shapes::{CEREMONY, COMPLETE, PENDING, TOKENS},
    },
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context, FreshOrRecovering, Signed,
        client::ClientOf,
        cookie,
        json::{Body, FromMembers, Members},
        reply,
    },
    registry::Registry,
    services::{Client, SignInOptions},
};

type Service = State<PasskeyService>;

pub(super) fn register(registry: &mut Registry, service: &PasskeyService) {
    registry.own_routes(
        service,
        [
            ("/passkeys/register/start", START_REGISTRATION.to(start_registration)),
            ("/passkeys/register/finish", FINISH_REGISTRATION.to(finish_registration)),
            ("/passkeys/sign-in/start", START_SIGN_IN.to(start_sign_in)),
            ("/passkeys/sign-in/finish", FINISH_SIGN_IN.to(finish_sign_in)),
            ("/passkeys/verify/start", START_STEP_UP.to(start_step_up)),
            ("/passkeys/verify/finish", FINISH_STEP_UP.to(finish_step_up)),
        ],
    );
}

/// The document for password managers, and that of related origins (WebAuthn Level 3 §5.11): JSON
/// with status 200 and no redirect.
pub(super) fn well_known(registry: &mut Registry, service: &PasskeyService) {
    if let Some(page) = service.page() {
        let page = format!("{}{page}", service.core.origins.of_links());
        let endpoints = json!({ "enroll": page, "manage": page });
        registry.well_known("passkey-endpoints", get(async move || Json(endpoints)));
    }
    if !service.related_origins().is_empty() {
        let document = json!({ "origins": service.related_origins() });
        registry.well_known("webauthn", get(async move || Json(document)));
    }
}

/// The response of the browser's WebAuthn call, as `toJSON()` returns it.
const CREDENTIAL: Member = Member::new(
    "credential",
    Schema::Map(r#"{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}"#),
);

pub(super) struct Answer {
    pub(super) challenge: String,
    pub(super) credential: Value,
    pub(super) name: Option<String>,
    pub(super) options: SignInOptions,
}

impl FromMembers for Answer {
    /// Attestations contain certificates.
    const LONGEST: usize = 64 * 1024;
    const MEMBERS: &'static [Member] =
        &[CHALLENGE, CREDENTIAL, NAME, TRANSPORT, PERSISTENT, DEVICE_TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.required("challenge");
        let credential = members.required("credential");
        let name = members.name();
        let options = members.sign_in_options();
        Some(Self { challenge: challenge?, credential: credential?, name, options })
    }
}

struct Registration {
    second_factor: bool,
    conditional: bool,
}

impl FromMembers for Registration {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[
        Member::new("second_factor", Schema::Boolean(false)).optional(),
        Member::new("conditional", Schema::Boolean(false)).optional(),
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let second_factor = members.optional("second_factor").unwrap_or_default();
        Some(Self {
            second_factor,
            conditional: members.optional("conditional").unwrap_or_default(),
        })
    }
}

struct Address {
    email: Option<String>,
}

impl FromMembers for Address {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[Member::text("email", "ada@example.com").optional()];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { email: members.optional("email") })
    }
}

struct Pending {
    challenge: Option<String>,
}

impl FromMembers for Pending {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[CHALLENGE.optional()];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { challenge: members.optional("challenge") })
    }
}

pub(super) fn begun(ceremony: &Ceremony) -> Json<Value> {
    Json(json!({ "challenge": ceremony.challenge.expose(), "options": ceremony.options }))
}

const START_REGISTRATION: Operation =
    Operation::post("startPasskeyRegistration", "Starts to add a passkey or security key")
        .returns(&[CEREMONY])
        .fails(&[ErrorKind::RateLimited]);

async fn start_registration(
    State(service): Service,
    ClientOf(client): ClientOf,
    FreshOrRecovering { auth, authority, body }: FreshOrRecovering<Registration>,
) -> Result<Json<Value>, AuthError> {
    let (own, ip) = ((auth.user(), auth.session()), client.ip.as_deref());
    // A recovery code does not open the way to a passkey.
    if !body.second_factor && authority.is_by_code() {
        service.core.require_fresh(own.0, own.1).await?;
    }
    let kind = match body.second_factor {
        true => NewKey::SecurityKey(authority),
        false if body.conditional => NewKey::Conditional,
        false => NewKey::Passkey(authority),
    };
    Ok(begun(&service.start_key(own, kind, ip).await?))
}

const FINISH_REGISTRATION: Operation =
    Operation::post("finishPasskeyRegistration", "Adds a passkey or security key")
        .returns(&[Success::json(
            201,
            "The passkey, and new tokens.",
            Schema::AllOf(&[PASSKEY, Schema::Object(&[TOKENS])]),
        )
        .with_cookies()])
        .fails(&[
            ErrorKind::StepUpRequired,
            ErrorKind::PasskeyTaken,
            ErrorKind::UnusablePasskey,
            ErrorKind::RateLimited,
        ]);

async fn finish_registration(
    State(service): Service,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<Answer>,
) -> Result<Response, AuthError> {
    let own = (auth.user(), auth.session());
    let (passkey, issued) = service
        .finish_registration(&body.challenge, &body.credential, body.name, own, &client)
        .await?;
    let view = view_of(&passkey).as_object().cloned().unwrap_or_default();
    Ok(reply::with_tokens(&service.core, StatusCode::CREATED, view, &issued))
}

const START_SIGN_IN: Operation =
    Operation::post("startPasskeySignIn", "Starts a sign-in with a passkey")
        .returns(&[CEREMONY])
        .fails(&[ErrorKind::Forbidden, ErrorKind::RateLimited]);

async fn start_sign_in(
    State(service): Service,
    client: Client,
    Body(body): Body<Address>,
) -> Result<Json<Value>, AuthError> {
    client.begin(&service.core, Purpose::SignIn).await?;
    let client = client.info().clone();
    Ok(begun(&service.start_sign_in(body.email.as_deref(), client.ip.as_deref()).await?))
}

const FINISH_SIGN_IN: Operation =
    Operation::post("finishPasskeySignIn", "Begins a session with a passkey")
        .returns(&[COMPLETE, PENDING])
        .fails(&[ErrorKind::InvalidPasskey, ErrorKind::RateLimited]);

async fn finish_sign_in(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let Answer { challenge, credential, options, .. } = body;
    let outcome = service.finish_sign_in(&challenge, &credential, &options, client).await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::OK, outcome).await)
}

const START_STEP_UP: Operation =
    Operation::post("startPasskeyVerification", "Starts to verify a passkey or security key")
        .challenge()
        .returns(&[CEREMONY])
        .fails(&[
            ErrorKind::ChallengeExpired,
            ErrorKind::Impersonating,
            ErrorKind::NoPasskey,
            ErrorKind::RateLimited,
        ]);

async fn start_step_up(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Body(body): Body<Pending>,
) -> Result<Json<Value>, AuthError> {
    let ip = client.ip.as_deref();
    let handle = match body.challenge.as_deref() {
        Some(handle) => Some(handle),
        None if context.signed_in().await?.is_none() => cookie::pending(&service.core, &headers),
        None => None,
    };
    if let Some(handle) = handle {
        return Ok(begun(&service.start_step_up(StepUpTarget::Pending(handle), ip).await?));
    }
    let auth = context.require_now().await?;
    Ok(begun(&service.start_step_up(StepUpTarget::Session(auth.user(), auth.session()), ip).await?))
}

const FINISH_STEP_UP: Operation =
    Operation::post("finishPasskeyVerification", "Verifies a passkey or security key")
        .challenge()
        .returns(&[COMPLETE, PENDING])
        .fails(&[
            ErrorKind::ChallengeExpired,
            ErrorKind::InvalidPasskey,
            ErrorKind::TooManyAttempts,
        ]);

async fn finish_step_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let (core, info) = (&service.core, client.info().clone());
    let auth = context.signed_in().await?;
    let signed_in = auth.as_ref().map(|auth| (auth.user(), auth.session()));
    let proved = service.prove(&body.challenge, &body.credential, signed_in, info);
    let (outcome, return_to) = proved.await?;
    client.restore_return_to(return_to.as_deref());
    let by_cookie = cookie::pending(core, client.headers()) == Some(body.challenge.as_str());
    let outcome = core.respond(&client, outcome).await;
    Ok(if by_cookie { reply::with_next(core, outcome) } else { outcome.into_response() })
}
