//! `POST /device-authorization`, `POST /token` and the metadata, which OAuth clients call.

use axum::{Json, extract::State, routing::get};
use serde_json::{Map, Value, json};

use super::{
    DeviceGrantService,
    service::{ProgramTokens, Refusal, Started},
};
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{
        client::ClientOf,
        oauth_error::OAuthError,
        query::{Form, Query},
    },
    registry::Registry,
    services::Core,
};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const REFRESH_TOKEN: &str = "refresh_token";

/// A program is no browser: the routes read no cookie, so another site can gain nothing.
pub(super) fn register(registry: &mut Registry, service: &DeviceGrantService) {
    registry.own_routes_from_elsewhere(
        service,
        [
            ("/device-authorization", START_DEVICE_AUTHORIZATION.to(start)),
            ("/token", ISSUE_TOKEN.to(token)),
        ],
    );
    let core = registry.core();
    let metadata = get(async move || Json(metadata(&core)));
    registry.well_known("oauth-authorization-server", metadata);
}

/// Returns the metadata of the authorization server (RFC 8414 §2).
fn metadata(core: &Core) -> Value {
    let issuer = core.origins.of_callbacks();
    let url = |path: &str| format!("{issuer}{}{path}", core.mount);
    let mut all = Map::from_iter([
        ("issuer".to_owned(), json!(issuer)),
        ("device_authorization_endpoint".to_owned(), json!(url("/device-authorization"))),
        ("token_endpoint".to_owned(), json!(url("/token"))),
        ("grant_types_supported".to_owned(), json!([DEVICE_CODE, REFRESH_TOKEN])),
        ("response_types_supported".to_owned(), json!([])),
        ("token_endpoint_auth_methods_supported".to_owned(), json!(["none"])),
    ]);
    if core.has_route("/introspect") {
        all.insert("introspection_endpoint".to_owned(), json!(url("/introspect")));
        let methods = json!(["client_secret_basic"]);
        all.insert("introspection_endpoint_auth_methods_supported".to_owned(), methods);
    }
    Value::Object(all)
}

/// Returns a parameter, or `None` if it is absent or empty (RFC 6749 §3.2).
fn parameter<'a>(form: &'a Query, name: &str) -> Result<Option<&'a str>, AuthError> {
    Ok(form.once(name)?.filter(|value| !value.is_empty()))
}

fn required<'a>(form: &'a Query, name: &str) -> Result<&'a str, AuthError> {
    parameter(form, name)?.ok_or_else(|| ErrorKind::InvalidRequest.into())
}

fn read(form: Result<Form, AuthError>) -> Result<Query, OAuthError> {
    let Form(form) = form?;
    if form.has_repeated() {
        return Err(OAuthError::new("invalid_request"));
    }
    Ok(form)
}

const CLIENT_ID: Member = Member::text("client_id", "notes-cli");

const START_DEVICE_AUTHORIZATION: Operation =
    Operation::post("startDeviceAuthorization", "Creates the codes for a program and its user")
        .form(&[CLIENT_ID])
        .returns(&[Success::json(
            200,
            "The codes, and the page on which the user types theirs.",
            Schema::Named(
                "DeviceAuthorization",
                &[
                    Member::text("device_code", "adc_0123456789abcdef"),
                    Member::text("user_code", "WDJB-MJHT"),
                    Member::text("verification_uri", "https://app.example.com/account/device"),
                    Member::text(
                        "verification_uri_complete",
                        "https://app.example.com/account/device?user_code=WDJB-MJHT",
                    ),
                    Member::new("expires_in", Schema::Integer(600)),
                    Member::new("interval", Schema::Integer(5)),
                ],
            ),
        )])
        .oauth_form_errors();

async fn start(
    State(service): State<DeviceGrantService>,
    ClientOf(client): ClientOf,
    form: Result<Form, AuthError>,
) -> Result<Json<Started>, OAuthError> {
    let form = read(form)?;
    Ok(Json(service.start(required(&form, "client_id")?, &client).await?))
}

const ISSUE_TOKEN: Operation =
    Operation::post("issueToken", "Returns the tokens of the session of a program")
        .form(&[
            Member::new("grant_type", Schema::one_of(&[DEVICE_CODE, REFRESH_TOKEN])),
            CLIENT_ID,
            Member::text("device_code", "adc_0123456789abcdef").optional(),
            Member::text("refresh_token", "art_0123456789abcdef").optional(),
        ])
        .returns(&[Success::json(
            200,
            "The tokens.",
            Schema::Named(
                "ProgramTokens",
                &[
                    Member::text("access_token", "aat_0123456789abcdef"),
                    Member::new("token_type", Schema::one_of(&["Bearer", "DPoP"])),
                    Member::new("expires_in", Schema::Integer(900)),
                    Member::text("refresh_token", "art_0123456789abcdef"),
                ],
            ),
        )])
        .oauth_errors(&[
            (
                400,
                &[
                    "authorization_pending",
                    "slow_down",
                    "access_denied",
                    "expired_token",
                    "invalid_dpop_proof",
                    "invalid_grant",
                    "invalid_request",
                    "unsupported_grant_type",
                ],
            ),
            (401, &["invalid_client"]),
            (413, &["invalid_request"]),
            (415, &["invalid_request"]),
            (500, &["server_error"]),
            (503, &["temporarily_unavailable"]),
        ]);

async fn token(
    State(service): State<DeviceGrantService>,
    ClientOf(client): ClientOf,
    form: Result<Form, AuthError>,
) -> Result<Json<ProgramTokens>, OAuthError> {
    let form = read(form)?;
    let (grant, program) = (required(&form, "grant_type")?, parameter(&form, "client_id")?);
    if program.is_some_and(|own| service.name_of(own).is_none()) {
        return Err(Refusal::InvalidClient.into());
    }
    if ![DEVICE_CODE, REFRESH_TOKEN].contains(&grant) {
        return Err(OAuthError::new("unsupported_grant_type"));
    }
    let program = program.ok_or_else(|| OAuthError::new("invalid_request"))?;
    let issued = match grant {
        DEVICE_CODE => service.exchange(program, required(&form, "device_code")?, &client).await?,
        _ => service.refresh(program, required(&form, "refresh_token")?).await?,
    };
    Ok(Json(issued))
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidClient => Self::invalid_client(),
            Refusal::InvalidGrant => Self::new("invalid_grant"),
            Refusal::AuthorizationPending => Self::new("authorization_pending"),
            Refusal::SlowDown => Self::new("slow_down"),
            Refusal::AccessDenied => Self::new("access_denied"),
            Refusal::ExpiredToken => Self::new("expired_token"),
            Refusal::InvalidDpopProof => Self::new("invalid_dpop_proof"),
            Refusal::Other(error) => error.into(),
        }
    }
}
