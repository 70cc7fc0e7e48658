//! The routes below `/totp`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{TotpEnrollment, TotpService};
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        member::{CHALLENGE, CODE, NAME},
        shapes::{COMPLETE, DONE, TOKENS},
    },
    error::{AuthError, ErrorKind},
    http::{
        FreshOrRecovering, Signed, SignedIn as Session,
        client::ClientOf,
        in_process::SharedJson,
        json::{FromMembers, Members},
        reply,
    },
    model::Factor,
    registry::Registry,
    services::{Client, Services, SignedIn},
};

#[derive(Clone)]
struct Routes {
    totp: TotpService,
    services: Services,
}

pub(super) fn register(registry: &mut Registry, service: &TotpService) {
    let routes = Routes { totp: service.clone(), services: registry.services() };
    registry.own_routes(
        &routes,
        [
            ("/totp", LIST_TOTP.to(list)),
            ("/totp/{id}", REMOVE_TOTP.to(remove)),
            ("/totp/register/start", START_TOTP.to(start)),
            ("/totp/register/finish", FINISH_TOTP.to(finish)),
            ("/totp/verify", VERIFY_TOTP.to(verify)),
        ],
    );
}

struct First {
    challenge: String,
    code: String,
    name: Option<String>,
}

impl FromMembers for First {
    const MEMBERS: &'static [Member] = &[CHALLENGE, CODE, NAME];

    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.required("challenge");
        let code = members.required("code");
        let name = members.name();
        Some(Self { challenge: challenge?, code: code?, name })
    }
}

struct Code {
    code: String,
}

impl FromMembers for Code {
    const MEMBERS: &'static [Member] = &[CODE];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { code: members.required("code")? })
    }
}

const TOTP: Schema = Schema::Named(
    "Totp",
    &[
        Member::text("id", "0198c2f0-6c5b-7000-8000-000000000000"),
        Member::text("name", "Ada's phone"),
        Member::time("created_at"),
        Member::time("last_used_at").nullable(),
    ],
);
const START_TOTP: Operation =
    Operation::post("startTotpRegistration", "Starts to add an authenticator app").returns(&[
        Success::json(
            200,
            "The secret, which cannot be read again.",
            Schema::Object(&[
                Member::text("challenge", "ach_0123456789abcdef"),
                Member::text("secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
                Member::text("uri", "otpauth://totp/Example:ada%40example.com?secret=JBSWY3DP"),
                Member::text("qr", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
            ]),
        ),
    ]);

async fn start(
    State(Routes { totp, .. }): State<Routes>,
    FreshOrRecovering { auth, authority, .. }: FreshOrRecovering,
) -> Result<Json<TotpEnrollment>, AuthError> {
    totp.start(auth.user(), auth.session(), authority).await.map(Json)
}

const FINISH_TOTP: Operation =
    Operation::post("finishTotpRegistration", "Adds an authenticator app")
        .returns(&[Success::json(
            201,
            "The app, with recovery codes if the user had none, and new tokens.",
            Schema::Object(&[
                Member::new("totp", TOTP),
                Member::new("recovery_codes", Schema::List(&Schema::text("k7q2m-9x0zt")))
                    .optional(),
                TOKENS,
            ]),
        )
        .with_cookies()])
        .fails(&[
            ErrorKind::ChallengeExpired,
            ErrorKind::InvalidCode,
            ErrorKind::StepUpRequired,
            ErrorKind::TooManyFactors,
            ErrorKind::TooManyAttempts,
        ]);

async fn finish(
    State(Routes { totp, .. }): State<Routes>,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<First>,
) -> Result<Response, AuthError> {
    let First { challenge, code, name } = body;
    let own = (auth.user(), auth.session());
    let (done, issued) = totp.finish_registration(&challenge, &code, name, own, &client).await?;
    let members = match json!(done) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    Ok(reply::with_tokens(&totp.core, StatusCode::CREATED, members, &issued))
}

const LIST_TOTP: Operation =
    Operation::get("listTotp", "Lists the authenticator apps").returns(&[Success::json(
        200,
        "The apps.",
        Schema::Object(&[Member::new("totp", Schema::List(&TOTP))]),
    )]);

async fn list(
    State(Routes { totp, .. }): State<Routes>,
    Session(auth): Session,
) -> Result<SharedJson, AuthError> {
    Ok(SharedJson(json!({ "totp": totp.list(auth.user()).await? })))
}

const REMOVE_TOTP: Operation =
    Operation::delete("removeTotp", "Removes an authenticator app").returns(&[DONE]);

async fn remove(
    State(Routes { totp, .. }): State<Routes>,
    ClientOf(client): ClientOf,
    id: Result<Path<String>, PathRejection>,
    FreshOrRecovering { auth, authority, .. }: FreshOrRecovering,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    totp.take_off((auth.user(), auth.session()), authority, &id, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

const VERIFY_TOTP: Operation =
    Operation::post("verifyTotp", "Verifies an authenticator app in this session")
        .returns(&[COMPLETE])
        .fails(&[ErrorKind::InvalidCode, ErrorKind::NoTotp, ErrorKind::TooManyAttempts]);

async fn verify(
    State(Routes { services, .. }): State<Routes>,
    client: Client,
    Signed { auth, body }: Signed<Code>,
) -> Result<SignedIn, AuthError> {
    services.pending().step_up_with(&client, &auth, Factor::Totp, &body.code).await
}
