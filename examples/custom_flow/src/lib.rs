//! Sign-in and a second factor by SMS code: a flow outside of authlayer.
//!
//! | route | body | response |
//! |---|---|---|
//! | `POST /sms/sign-in` | `phone, transport?` | 202 `Pending`, the same for unknown numbers |
//! | `POST /verify` (of authlayer) | `challenge, code` | 200 `Complete`, or 202 `Pending` |
//! | `POST /sms/phones` | `phone` | 202 `Pending`; requires recent authentication |
//! | `POST /sms/phones/verify` | `challenge, code` | 201 |

use std::time::Duration;

use authlayer::{
    AuthError, Client, ConfigError, ErrorKind, Factor, Flow, FreshUser, JsonBody, PendingChallenge,
    Registry, SignInOptions, SignInOutcome, Strength, UserId,
    hook::Purpose,
    mail::MessageKind,
    services::{
        ChallengeHandle, CodeChallenges, CodeDelivery, CodeFactor, CodeHandler, CodeOptions,
        Consumed, CredentialOptions, Credentials, Limiter, RateLimit, Services, VerifiedFactor,
    },
};
use axum::{extract::State, routing::post};
use http::StatusCode;
use serde::Deserialize;

/// The factor on a session, and the method in requests and responses.
pub const SMS: Factor = Factor::custom("sms");
const INVALID_PHONE: ErrorKind =
    ErrorKind::custom(StatusCode::UNPROCESSABLE_ENTITY, "invalid_phone", "Not a phone number");
const PHONE_ADDED: MessageKind = MessageKind::custom("notice_phone_added");

/// The flow, with a delivery of the codes.
pub struct SmsSignIn<G>(pub G);

/// Signs users in, and enrolls phones.
#[derive(Clone, Debug)]
pub struct SmsService {
    services: Services,
    phones: Credentials<()>,
    sign_ins: CodeChallenges<()>,
    enrollments: CodeChallenges<()>,
    requests: Limiter,
}

impl<G: CodeDelivery + Clone> Flow for SmsSignIn<G> {
    type Service = SmsService;

    fn name(&self) -> &str {
        "sms"
    }

    fn register(self, registry: &mut Registry) -> Result<SmsService, ConfigError> {
        let codes = CodeOptions::default().lifetime(Duration::from_secs(300));
        let phone = CredentialOptions::default().signs_in(true).added_message(PHONE_ADDED);
        let requests = RateLimit::per_hour().max_per_key(5).max_per_network(30);
        let sms = SmsService {
            services: registry.services(),
            phones: registry.credentials("phone", phone),
            sign_ins: registry.codes("sms_sign_in", SMS, codes.clone(), self.0.clone()),
            enrollments: registry.codes("sms_enrollment", SMS, codes, self.0),
            requests: registry.rate_limit("sms_requests", requests),
        };
        registry
            .message(PHONE_ADDED, "A phone number was added", "You can now sign in with it.")
            .on_verified(&sms.sign_ins, sms.clone())
            // A phone is also the second factor of a sign-in with another factor.
            .second_factor(CodeFactor::new(&sms.sign_ins, &sms.phones, Strength::OneTimeCode))
            .routes(
                &sms,
                [
                    ("/sms/sign-in", post(sign_in)),
                    ("/sms/phones", post(add_phone)),
                    ("/sms/phones/verify", post(verify_phone)),
                ],
            );
        Ok(sms)
    }
}

impl SmsService {
    /// Sends a code to a phone number, if it belongs to a user.
    pub async fn start(&self, client: &Client, phone: &str) -> Result<PendingChallenge, AuthError> {
        let phone = parse(phone)?;
        self.services.begin(client, Purpose::SignIn).await?;
        self.requests.count(client, &phone).await?;
        match self.phones.find(&phone).await? {
            Some(own) => self.sign_ins.issue(client, &own.user_id, &phone, ()).await,
            None => self.sign_ins.issue_decoy(client, &phone, None).await,
        }
    }

    /// Assigns a phone number to a user, without a session.
    pub async fn assign(&self, user: &UserId, phone: &str) -> Result<(), AuthError> {
        self.phones.assign(user, &parse(phone)?, ()).await.map(drop)
    }
}

impl CodeHandler<()> for SmsService {
    /// Signs the user in.
    async fn verified(
        &self,
        client: &Client,
        code: Consumed<()>,
    ) -> Result<SignInOutcome, AuthError> {
        let phone = self.phones.find(code.recipient()).await?.ok_or(ErrorKind::ChallengeExpired)?;
        let first = VerifiedFactor::challenge(SMS, code)?.using(phone.used());
        self.services.sign_in().complete(client, first).await
    }
}

#[derive(Deserialize)]
struct Number {
    phone: String,
    #[serde(flatten)]
    options: SignInOptions,
}

#[derive(Deserialize)]
struct Answer {
    challenge: ChallengeHandle,
    code: String,
}

async fn sign_in(
    State(sms): State<SmsService>,
    client: Client,
    JsonBody(body): JsonBody<Number>,
) -> Result<PendingChallenge, AuthError> {
    sms.start(&client.with_options(body.options), &body.phone).await
}

async fn add_phone(
    State(sms): State<SmsService>,
    client: Client,
    user: FreshUser,
    JsonBody(body): JsonBody<Number>,
) -> Result<PendingChallenge, AuthError> {
    let phone = parse(&body.phone)?;
    sms.requests.count(&client, &phone).await?;
    sms.enrollments.issue(&client, &user, &phone, ()).await
}

async fn verify_phone(
    State(sms): State<SmsService>,
    client: Client,
    JsonBody(body): JsonBody<Answer>,
) -> Result<StatusCode, AuthError> {
    let consumed = sms.enrollments.attempt(&client, &body.challenge, &body.code).await?;
    sms.phones.add(&consumed.fresh_user()?, consumed.recipient(), ()).await?;
    Ok(StatusCode::CREATED)
}

fn parse(phone: &str) -> Result<String, AuthError> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let is_valid =
        (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_valid { Ok(phone.to_owned()) } else { Err(INVALID_PHONE.into()) }
}
