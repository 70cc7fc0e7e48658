//! The routes below `/passkeys`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{PasskeyService, kind::NewKey, list::view_of, prove::StepUpTarget, service::Ceremony};
use crate::{
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context, FreshOrRecovering, Signed, SignedIn,
        client::ClientOf,
        cookie,
        in_process::SharedJson,
        json::{Body, FromMembers, Members},
        reply,
    },
    model::Transport,
    registry::Registry,
    services::{Client, SignInOptions},
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

struct Answer {
    challenge: String,
    credential: Value,
    name: Option<String>,
    options: SignInOptions,
}

impl FromMembers for Answer {
    /// Attestations contain certificates.
    const LONGEST: usize = 64 * 1024;

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

    fn read(members: &mut Members) -> Option<Self> {
        let second_factor = members.optional("second_factor").unwrap_or_default();
        Some(Self {
            second_factor,
            conditional: members.optional("conditional").unwrap_or_default(),
        })
    }
}

struct Named {
    name: String,
}

impl FromMembers for Named {
    fn read(members: &mut Members) -> Option<Self> {
        let name = members.name();
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
        let display_name = members.optional_text("display_name", 200);
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
    let (ip, members) = (client.info().ip.as_deref(), client.members());
    let anonymous = context.anonymous(&service.core).await?;
    let current = anonymous.as_ref().map(|auth| (auth.user(), auth.session()));
    let Newcomer { email, display_name } = body;
    let started = service.start_sign_up_with(current, &email, display_name, ip, members);
    Ok(begun(&started.await?))
}

async fn finish_sign_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let Answer { challenge, credential, name, options } = body;
    let (info, members) = (client.info().clone(), client.members());
    let finished =
        service.finish_sign_up_with(&challenge, &credential, name, &options, info, members);
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
    let Answer { challenge, credential, options, .. } = body;
    let outcome = service.finish_sign_in(&challenge, &credential, &options, client).await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::OK, outcome).await)
}

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

async fn list(State(service): Service, SignedIn(auth): SignedIn) -> Result<SharedJson, AuthError> {
    let passkeys = service.list(auth.user()).await?;
    let signal = service.signal_accepted_credentials(auth.user()).await?;
    Ok(SharedJson(json!({ "passkeys": passkeys, "signal": signal })))
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
    FreshOrRecovering { auth, authority, .. }: FreshOrRecovering,
) -> Result<Response, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    // A response with status 204 returns no tokens in its body.
    let renews = auth.session().transport != Transport::Bearer;
    let own = (auth.user(), auth.session());
    match service.take_off(own, authority, &id, &client, renews).await? {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(issued) => {
            Ok(reply::with_tokens(&service.core, StatusCode::NO_CONTENT, Map::new(), &issued))
        }
    }
}
