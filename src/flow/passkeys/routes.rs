//! The routes below `/passkeys`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
    routing::{get, patch, post},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{PasskeyService, manage::view_of, prove::StepUpTarget, service::Ceremony};
use crate::{
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context, Fresh, Signed, SignedIn,
        client::ClientOf,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    model::Transport,
    registry::Registry,
    services::Client,
};

type Service = State<PasskeyService>;

pub(super) fn register(registry: &mut Registry, service: &PasskeyService) {
    registry.own_routes(
        service,
        [
            ("/passkeys", get(list)),
            ("/passkeys/{id}", patch(rename).delete(remove)),
            ("/passkeys/register/start", post(start_registration)),
            ("/passkeys/register/finish", post(finish_registration)),
            ("/passkeys/sign-up/start", post(start_sign_up)),
            ("/passkeys/sign-up/finish", post(finish_sign_up)),
            ("/passkeys/sign-in/start", post(start_sign_in)),
            ("/passkeys/sign-in/finish", post(finish_sign_in)),
            ("/passkeys/verify/start", post(start_step_up)),
            ("/passkeys/verify/finish", post(finish_step_up)),
        ],
    );
}

/// Documents for browsers and password managers: JSON with status 200 and no redirect.
pub(super) fn well_known(registry: &mut Registry, service: &PasskeyService) {
    let core = &service.core;
    let origins = json!({ "origins": core.origins.iter().collect::<Vec<_>>() });
    let document = |body: Value| get(async move || Json(body));
    registry.well_known("webauthn", document(origins));
    if let Some(page) = service.page() {
        let page = format!("{}{page}", core.origins.first());
        let endpoints = json!({ "enroll": page, "manage": page });
        registry.well_known("passkey-endpoints", document(endpoints));
    }
}

const LONGEST_NAME: usize = 64;

/// Returns an optional name of 1 to 64 printable characters.
fn name_of(members: &mut Members) -> Option<String> {
    // Line and paragraph separators, and characters that change the direction of text.
    let hidden = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let name = members.optional_line("name", LONGEST_NAME);
    if name.as_deref().is_some_and(|name| name.trim().is_empty() || name.contains(hidden)) {
        members.refuse("name");
    }
    name
}

struct Answer {
    challenge: String,
    credential: Value,
    name: Option<String>,
    transport: Option<Transport>,
}

impl FromMembers for Answer {
    /// Attestations contain certificates.
    const LONGEST: usize = 64 * 1024;

    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.required("challenge");
        let credential = members.required("credential");
        let name = name_of(members);
        let transport = members.optional("transport");
        Some(Self { challenge: challenge?, credential: credential?, name, transport })
    }
}

struct Named {
    name: String,
}

impl FromMembers for Named {
    fn read(members: &mut Members) -> Option<Self> {
        let name = name_of(members);
        if name.is_none() {
            members.refuse("name");
        }
        Some(Self { name: name? })
    }
}

struct Address {
    email: Option<String>,
}

impl FromMembers for Address {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { email: members.optional("email") })
    }
}

struct Newcomer {
    email: String,
    display_name: Option<String>,
}

impl FromMembers for Newcomer {
    fn read(members: &mut Members) -> Option<Self> {
        let display_name = members.optional_line("display_name", 200);
        Some(Self { email: members.required("email")?, display_name })
    }
}

struct Pending {
    challenge: Option<String>,
}

impl FromMembers for Pending {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { challenge: members.optional("challenge") })
    }
}

fn begun(ceremony: &Ceremony) -> Json<Value> {
    Json(json!({ "challenge": ceremony.challenge.expose(), "options": ceremony.options }))
}

async fn start_registration(
    State(service): Service,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    let ip = client.ip.as_deref();
    Ok(begun(&service.start_registration(auth.user(), auth.session(), ip).await?))
}

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

async fn start_sign_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Newcomer>,
) -> Result<Json<Value>, AuthError> {
    client.begin(&service.core, Purpose::SignUp).await?;
    let client = client.info().clone();
    let ip = client.ip.as_deref();
    let anonymous = context.anonymous(&service.core).await?;
    let current = anonymous.as_ref().map(|auth| (auth.user(), auth.session()));
    Ok(begun(&service.start_sign_up(current, &body.email, body.display_name, ip).await?))
}

async fn finish_sign_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let (name, transport) = (body.name, body.transport);
    let (info, members) = (client.info().clone(), Some(client.members()));
    let (challenge, credential) = (&body.challenge, &body.credential);
    let finished =
        service.finish_sign_up_with(challenge, credential, name, transport, info, members);
    let outcome = finished.await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::CREATED, outcome).await)
}

async fn start_sign_in(
    State(service): Service,
    client: Client,
    Body(body): Body<Address>,
) -> Result<Json<Value>, AuthError> {
    client.begin(&service.core, Purpose::SignIn).await?;
    let client = client.info().clone();
    Ok(begun(&service.start_sign_in(body.email.as_deref(), client.ip.as_deref()).await?))
}

async fn finish_sign_in(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let outcome =
        service.finish_sign_in(&body.challenge, &body.credential, body.transport, client).await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::OK, outcome).await)
}

async fn start_step_up(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<Pending>,
) -> Result<Json<Value>, AuthError> {
    let ip = client.ip.as_deref();
    if let Some(handle) = body.challenge {
        return Ok(begun(&service.start_step_up(StepUpTarget::Pending(&handle), ip).await?));
    }
    let auth = context.require_now().await?;
    Ok(begun(&service.start_step_up(StepUpTarget::Session(auth.user(), auth.session()), ip).await?))
}

async fn finish_step_up(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let auth = context.signed_in().await?;
    let signed_in = auth.as_ref().map(|auth| (auth.user(), auth.session()));
    let outcome =
        service.finish_step_up(&body.challenge, &body.credential, signed_in, client).await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::OK, outcome).await)
}

async fn list(State(service): Service, SignedIn(auth): SignedIn) -> Result<Json<Value>, AuthError> {
    let passkeys = service.list(auth.user()).await?;
    let signal = service.signal_accepted_credentials(auth.user()).await?;
    Ok(Json(json!({ "passkeys": passkeys, "signal": signal })))
}

async fn rename(
    State(service): Service,
    id: Result<Path<String>, PathRejection>,
    Signed { auth, body }: Signed<Named>,
) -> Result<Json<Value>, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    service.rename(auth.user(), &id, body.name).await.map(Json)
}

async fn remove(
    State(service): Service,
    ClientOf(client): ClientOf,
    id: Result<Path<String>, PathRejection>,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    if auth.session().transport == Transport::Bearer {
        // A response with status 204 returns no tokens.
        service.remove_keep_tokens(auth.user(), auth.session(), &id, &client).await?;
        return Ok(axum::response::IntoResponse::into_response(StatusCode::NO_CONTENT));
    }
    let issued = service.remove(auth.user(), auth.session(), &id, &client).await?;
    Ok(reply::with_tokens(&service.core, StatusCode::NO_CONTENT, Map::new(), &issued))
}
