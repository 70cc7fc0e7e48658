//! `POST /verify`, `/verify/resend`, `/factors/{name}/start`, `/factors/{name}/verify`.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};

use crate::{
    contract::{
        Member, Operation, Schema,
        member::{CHALLENGE, CODE},
        shapes::{COMPLETE, CREATED, PENDING, VERIFIED},
    },
    error::{AuthError, ErrorKind},
    http::{
        Context, Signed,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    model::Factor,
    registry::Registry,
    services::{ChallengeHandle, Client, PendingChallenge, PendingChallenges, SignInOutcome},
};

type Service = State<PendingChallenges>;

pub(super) fn register(registry: &mut Registry, service: &PendingChallenges) {
    registry.own_routes(
        service,
        [
            ("/verify", VERIFY.to(verify)),
            ("/verify/resend", RESEND_CODE.to(resend)),
            ("/factors/{name}/start", START_FACTOR.to(start_step_up)),
            ("/factors/{name}/verify", VERIFY_FACTOR.to(step_up)),
        ],
    );
}

/// The name of a factor that was offered, for example `totp`.
const METHOD: Member = Member::text("method", "email_code").optional();

struct Answer {
    challenge: Option<String>,
    code: String,
    method: Option<String>,
    remember: Option<bool>,
}

impl FromMembers for Answer {
    const MEMBERS: &'static [Member] = &[
        CHALLENGE.optional(),
        CODE,
        METHOD,
        Member::new("remember", Schema::Boolean(false)).optional(),
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.optional("challenge");
        let code = members.required("code");
        let method = members.optional("method");
        let remember = members.optional("remember");
        Some(Self { challenge, code: code?, method, remember })
    }
}

struct Again {
    challenge: Option<String>,
    method: Option<String>,
}

impl FromMembers for Again {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[CHALLENGE.optional(), METHOD];

    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.optional("challenge");
        Some(Self { challenge, method: members.optional("method") })
    }
}

fn of(client: Client, challenge: Option<String>) -> Client {
    match challenge {
        Some(challenge) => client.with_challenge(ChallengeHandle::new(challenge)),
        None => client,
    }
}

const VERIFY: Operation = Operation::post("verifyChallenge", "Answers a challenge with a code")
    .challenge()
    .returns(&[VERIFIED, CREATED, PENDING])
    .fails(&[
        ErrorKind::ChallengeExpired,
        ErrorKind::InvalidCode,
        ErrorKind::InvalidCredentials,
        ErrorKind::StepUpRequired,
        ErrorKind::SignUpDisabled,
        ErrorKind::EmailTaken,
        ErrorKind::UsernameTaken,
        ErrorKind::TransportDisabled,
        ErrorKind::TooManyAttempts,
        ErrorKind::RateLimited,
    ]);

async fn verify(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let client = of(client, body.challenge).with_remember(body.remember.unwrap_or_default());
    let outcome = service.verify(&client, body.method.as_deref(), &body.code).await?;
    Ok(match client.has_pending_cookie() {
        true => reply::with_next(context.core(), outcome),
        false => outcome.into_response(),
    })
}

const RESEND_CODE: Operation = Operation::post("resendCode", "Sends another code")
    .challenge()
    .returns(&[PENDING])
    .fails(&[ErrorKind::ChallengeExpired, ErrorKind::RateLimited]);

async fn resend(
    State(service): Service,
    client: Client,
    Body(body): Body<Again>,
) -> Result<PendingChallenge, AuthError> {
    service.resend(&of(client, body.challenge), body.method.as_deref()).await
}

/// Returns the factor that a flow outside this crate has registered with this name.
fn factor(name: Result<Path<String>, PathRejection>) -> Result<Factor, AuthError> {
    let Path(name) = name.map_err(|_| ErrorKind::NotFound)?;
    match Factor::from_name(&name) {
        factor @ Factor::Custom(_) => Ok(factor),
        _ => Err(ErrorKind::NotFound.into()),
    }
}

const START_FACTOR: Operation = Operation::post(
    "startFactorVerification",
    "Starts to verify a factor of the application in this session",
)
.returns(&[PENDING])
.fails(&[ErrorKind::RateLimited]);

async fn start_step_up(
    State(service): Service,
    client: Client,
    name: Result<Path<String>, PathRejection>,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<PendingChallenge, AuthError> {
    service.step_up(&client, &auth, factor(name)?).await
}

const VERIFY_FACTOR: Operation =
    Operation::post("verifyFactor", "Verifies a factor of the application in this session")
        .returns(&[COMPLETE, PENDING])
        .fails(&[ErrorKind::ChallengeExpired, ErrorKind::InvalidCode, ErrorKind::TooManyAttempts]);

async fn step_up(
    State(service): Service,
    client: Client,
    name: Result<Path<String>, PathRejection>,
    Signed { auth, body }: Signed<Answer>,
) -> Result<SignInOutcome, AuthError> {
    let factor = factor(name)?;
    match body.challenge {
        Some(challenge) => {
            let client = client.with_challenge(ChallengeHandle::new(challenge));
            service.verify(&client, Some(factor.as_str()), &body.code).await
        }
        None => {
            let stepped_up = service.step_up_with(&client, &auth, factor, &body.code).await?;
            Ok(SignInOutcome::Complete(stepped_up))
        }
    }
}
