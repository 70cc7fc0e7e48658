//! `POST /sign-up`, `POST /sign-in`, `POST /password/change`, `/password/verify`, `/password/set`.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{PasswordService, SignUp, login::Login};
use crate::{
    contract::{
        Member, Operation, Schema,
        member::{
            DEVICE_TOKEN, DISPLAY_NAME, EMAIL, NEW_PASSWORD, PASSWORD, PERSISTENT, TRANSPORT,
        },
        shapes::{COMPLETE, CREATED, PENDING},
    },
    error::{AuthError, ErrorKind},
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
            ("/sign-up", SIGN_UP.to(sign_up)),
            ("/sign-in", SIGN_IN.to(sign_in)),
            ("/password/change", CHANGE_PASSWORD.to(change)),
            ("/password/verify", VERIFY_PASSWORD.to(step_up)),
            ("/password/set", SET_PASSWORD.to(set)),
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
    const MEMBERS: &'static [Member] = &[
        EMAIL,
        PASSWORD,
        DISPLAY_NAME,
        Member::text("username", "ada").optional(),
        Member::new("user_metadata", Schema::Map(r#"{"locale": "en"}"#)).optional(),
        TRANSPORT,
        PERSISTENT,
        DEVICE_TOKEN,
    ];

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
    const MEMBERS: &'static [Member] = &[
        EMAIL,
        Member::text("login", "ada").replaces("email"),
        PASSWORD,
        TRANSPORT,
        PERSISTENT,
        DEVICE_TOKEN,
    ];

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
    const MEMBERS: &'static [Member] =
        &[Member::text("current_password", "correct horse battery"), NEW_PASSWORD];

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
    const MEMBERS: &'static [Member] = &[PASSWORD];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { password: members.required("password")? })
    }
}

struct SetBody {
    new_password: String,
}

impl FromMembers for SetBody {
    const MEMBERS: &'static [Member] = &[NEW_PASSWORD];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { new_password: members.required("new_password")? })
    }
}

const SIGN_UP: Operation = Operation::post("signUp", "Creates a user with a password")
    .returns(&[CREATED, PENDING])
    .fails(&[
        ErrorKind::InvalidCredentials,
        ErrorKind::SignUpDisabled,
        ErrorKind::EmailTaken,
        ErrorKind::UsernameTaken,
        ErrorKind::InvalidEmail,
        ErrorKind::WeakPassword,
        ErrorKind::RateLimited,
    ]);

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

const SIGN_IN: Operation = Operation::post("signIn", "Begins a session with a password")
    .returns(&[COMPLETE, PENDING])
    .fails(&[ErrorKind::InvalidCredentials, ErrorKind::TooManyAttempts, ErrorKind::RateLimited]);

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

const CHANGE_PASSWORD: Operation =
    Operation::post("changePassword", "Changes the password and ends the other sessions")
        .returns(&[COMPLETE, PENDING])
        .fails(&[
            ErrorKind::WrongPassword,
            ErrorKind::WeakPassword,
            ErrorKind::TooManyAttempts,
            ErrorKind::RateLimited,
        ]);

async fn change(
    State(service): State<PasswordService>,
    client: Client,
    Signed { auth, body }: Signed<ChangeBody>,
) -> Result<SignInOutcome, AuthError> {
    let (current, new) = (&body.current_password, &body.new_password);
    service.change_password(&client, &auth, current, new).await
}

const VERIFY_PASSWORD: Operation =
    Operation::post("verifyPassword", "Verifies the password again in this session")
        .returns(&[COMPLETE])
        .fails(&[ErrorKind::WrongPassword, ErrorKind::TooManyAttempts]);

async fn step_up(
    State(service): State<PasswordService>,
    context: Context,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<StepUpBody>,
) -> Result<Response, AuthError> {
    let stepped = service.step_up(auth.user(), auth.session(), &body.password, client);
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, stepped.await?).await)
}

const SET_PASSWORD: Operation = Operation::post("setPassword", "Sets the first password")
    .returns(&[COMPLETE, PENDING])
    .fails(&[
        ErrorKind::PasswordExists,
        ErrorKind::WeakPassword,
        ErrorKind::TooManyAttempts,
        ErrorKind::RateLimited,
    ]);

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
