//! `POST /sign-up`, `POST /sign-in`, `POST /password/change`, `/password/verify`, `/password/set`.

use axum::{extract::State, response::Response, routing::post};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::{PasswordService, SignUp};
use crate::{
    error::AuthError,
    hook::Purpose,
    http::{
        Context, Fresh, Signed,
        client::ClientOf,
        cookie,
        json::{Body, FromMembers, Members},
        reply,
    },
    model::Transport,
    registry::Registry,
    services::Client,
};

pub(super) fn register(registry: &mut Registry, service: &PasswordService) {
    registry.own_routes(
        service,
        [
            ("/sign-up", post(sign_up)),
            ("/sign-in", post(sign_in)),
            ("/password/change", post(change)),
            ("/password/verify", post(step_up)),
            ("/password/set", post(set)),
        ],
    );
}

/// The maximum length of `display_name`, in characters.
const LONGEST_NAME: usize = 200;
/// The maximum size of `user_metadata` as JSON, in bytes.
const LARGEST_METADATA: usize = 8 * 1024;

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
        let user_metadata: Option<Map<String, Value>> = members.optional("user_metadata");
        let size = user_metadata.as_ref().and_then(|own| serde_json::to_vec(own).ok());
        if size.is_some_and(|text| text.len() > LARGEST_METADATA) {
            members.refuse("user_metadata");
        }
        let transport = members.optional("transport");
        Some(Self { email: email?, password: password?, display_name, user_metadata, transport })
    }
}

struct SignInBody {
    email: String,
    password: String,
    transport: Option<Transport>,
    device_token: Option<String>,
}

impl FromMembers for SignInBody {
    fn read(members: &mut Members) -> Option<Self> {
        let email = members.required("email");
        let password = members.required("password");
        let transport = members.optional("transport");
        let device_token = members.optional("device_token");
        Some(Self { email: email?, password: password?, transport, device_token })
    }
}

struct ChangeBody {
    current_password: String,
    new_password: String,
}

impl FromMembers for ChangeBody {
    fn read(members: &mut Members) -> Option<Self> {
        let current_password = members.required("current_password");
        let new_password = members.required("new_password");
        Some(Self { current_password: current_password?, new_password: new_password? })
    }
}

struct StepUpBody {
    password: String,
}

impl FromMembers for StepUpBody {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { password: members.required("password")? })
    }
}

struct SetBody {
    new_password: String,
}

impl FromMembers for SetBody {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { new_password: members.required("new_password")? })
    }
}

async fn sign_up(
    State(service): State<PasswordService>,
    context: Context,
    client: Client,
    Body(body): Body<SignUpBody>,
) -> Result<Response, AuthError> {
    client.begin(service.core(), Purpose::SignUp).await?;
    let (info, members) = (client.info().clone(), Some(client.members()));
    let transport = service.core().sessions.options().resolve_transport(body.transport)?;
    let sign_up = SignUp {
        email: &body.email,
        password: &body.password,
        display_name: body.display_name,
        user_metadata: body.user_metadata.unwrap_or_default(),
    };
    let anonymous = context.anonymous(service.core()).await?;
    let current = anonymous.as_ref().map(|auth| (auth.user(), auth.session()));
    let outcome = service.sign_up_with(current, sign_up, transport, info, members).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::CREATED, outcome).await)
}

async fn sign_in(
    State(service): State<PasswordService>,
    context: Context,
    client: Client,
    headers: HeaderMap,
    Body(body): Body<SignInBody>,
) -> Result<Response, AuthError> {
    client.begin(service.core(), Purpose::SignIn).await?;
    let client = client.info().clone();
    let transport = service.core().sessions.options().resolve_transport(body.transport)?;
    let device = body.device_token.or_else(|| cookie::device_token(service.core(), &headers));
    let signed_in = service.sign_in(&body.email, &body.password, device, transport, client);
    let outcome = signed_in.await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}

async fn change(
    State(service): State<PasswordService>,
    context: Context,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<ChangeBody>,
) -> Result<Response, AuthError> {
    let (current, new) = (&body.current_password, &body.new_password);
    let outcome =
        service.change_password(auth.user(), auth.session(), current, new, client).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}

async fn step_up(
    State(service): State<PasswordService>,
    context: Context,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<StepUpBody>,
) -> Result<Response, AuthError> {
    let stepped = service.step_up(auth.user(), auth.session(), &body.password, client);
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, stepped.await?).await)
}

async fn set(
    State(service): State<PasswordService>,
    context: Context,
    ClientOf(client): ClientOf,
    Fresh { auth, body }: Fresh<SetBody>,
) -> Result<Response, AuthError> {
    let (user, session) = (auth.user(), auth.session());
    let outcome = service.set_first(user, session, &body.new_password, &client).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}
