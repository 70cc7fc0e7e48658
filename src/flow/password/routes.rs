//! `POST /sign-up`, `POST /sign-in`, `POST /password/change`, `/password/verify`, `/password/set`.

use axum::{extract::State, response::Response, routing::post};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{PasswordService, SignUp, login::Login};
use crate::{
    error::AuthError,
    http::{
        Context, Fresh, Signed,
        client::ClientOf,
        json::{Body, FromMembers, Members},
        reply,
    },
    registry::Registry,
    services::{Client, SignInOptions, SignInOutcome},
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
    username: Option<Value>,
    user_metadata: Option<Map<String, Value>>,
    options: SignInOptions,
}

impl FromMembers for SignUpBody {
    fn read(members: &mut Members) -> Option<Self> {
        let email = members.required("email");
        let password = members.required("password");
        let display_name = members.optional_text("display_name", LONGEST_NAME);
        let user_metadata: Option<Map<String, Value>> = members.optional("user_metadata");
        let size = user_metadata.as_ref().and_then(|own| serde_json::to_vec(own).ok());
        if size.is_some_and(|text| text.len() > LARGEST_METADATA) {
            members.refuse("user_metadata");
        }
        let username = members.optional("username");
        let options = members.sign_in_options();
        let (email, password) = (email?, password?);
        Some(Self { email, password, display_name, username, user_metadata, options })
    }
}

struct SignInBody {
    login: String,
    /// Whether `login` has to be an email address.
    is_email: bool,
    password: String,
    options: SignInOptions,
}

impl FromMembers for SignInBody {
    fn read(members: &mut Members) -> Option<Self> {
        let (is_email, is_login) = (members.has("email"), members.has("login"));
        if is_email && is_login {
            members.refuse("email");
            members.refuse("login");
        }
        let login = members.required(if is_login { "login" } else { "email" });
        let password = members.required("password");
        let options = members.sign_in_options();
        Some(Self { login: login?, is_email: !is_login, password: password?, options })
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
    client: Client,
    Body(body): Body<SignUpBody>,
) -> Result<SignInOutcome, AuthError> {
    let sign_up = SignUp {
        email: &body.email,
        password: &body.password,
        display_name: body.display_name,
        // No other type is a username.
        username: body.username.map(|own| own.as_str().unwrap_or_default().to_owned()),
        user_metadata: body.user_metadata.unwrap_or_default(),
    };
    service.sign_up(&client.with_options(body.options), sign_up).await
}

async fn sign_in(
    State(service): State<PasswordService>,
    client: Client,
    Body(body): Body<SignInBody>,
) -> Result<SignInOutcome, AuthError> {
    let client = client.with_options(body.options);
    match body.is_email {
        true => service.sign_in_as(&client, &Login::email(&body.login), &body.password).await,
        false => service.sign_in(&client, &body.login, &body.password).await,
    }
}

async fn change(
    State(service): State<PasswordService>,
    client: Client,
    Signed { auth, body }: Signed<ChangeBody>,
) -> Result<SignInOutcome, AuthError> {
    let (current, new) = (&body.current_password, &body.new_password);
    service.change_password(&client, &auth, current, new).await
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
    Fresh { auth, authority, body }: Fresh<SetBody>,
) -> Result<Response, AuthError> {
    let own = (auth.user(), auth.session());
    let outcome = service.set_first_by(authority, own, &body.new_password, &client).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}
