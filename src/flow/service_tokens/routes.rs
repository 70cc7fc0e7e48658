//! `POST /tokens` and `GET /jwks.json`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use super::{ServiceToken, ServiceTokenService};
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{
        SignedOrImpersonated,
        json::{FromMembers, Members},
    },
    registry::Registry,
};

/// A service that does not know a key fetches the set again, and keys are published a day before
/// they sign.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) fn register(registry: &mut Registry, service: &ServiceTokenService) {
    registry.own_routes(
        service,
        [("/tokens", CREATE_SERVICE_TOKEN.to(create)), ("/jwks.json", GET_SIGNING_KEYS.to(keys))],
    );
}

struct Audience(String);

impl FromMembers for Audience {
    const MEMBERS: &'static [Member] = &[Member::text("audience", "https://reports.example.com")];

    fn read(members: &mut Members) -> Option<Self> {
        members.required("audience").map(Self)
    }
}

const CREATE_SERVICE_TOKEN: Operation =
    Operation::post("createServiceToken", "Creates a token for another service").returns(&[
        Success::json(
            200,
            "The token, a JWT.",
            Schema::Object(&[
                Member::text("token", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"),
                Member::new("expires_in", Schema::Integer(60)),
            ]),
        ),
    ]);

async fn create(
    State(service): State<ServiceTokenService>,
    SignedOrImpersonated { auth, body }: SignedOrImpersonated<Audience>,
) -> Result<Json<ServiceToken>, AuthError> {
    service.issue(&auth, &body.0).await.map(Json)
}

const GET_SIGNING_KEYS: Operation =
    Operation::get("getSigningKeys", "Returns the keys with which services verify tokens")
        .returns(&[Success::json(
            200,
            "The public keys, a JWK Set.",
            Schema::Object(&[Member::new("keys", Schema::List(&JWK))]),
        )])
        .fails(&[ErrorKind::Unavailable]);

const JWK: Schema = Schema::Named(
    "JsonWebKey",
    &[
        Member::new("kty", Schema::one_of(&["EC"])),
        Member::new("crv", Schema::one_of(&["P-256"])),
        Member::text("x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
        Member::text("y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        Member::new("use", Schema::one_of(&["sig"])),
        Member::new("alg", Schema::one_of(&["ES256"])),
        Member::text("kid", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"),
    ],
);

async fn keys(State(service): State<ServiceTokenService>) -> Result<Response, AuthError> {
    let keys = service.jwks().await?;
    Ok(([(header::CACHE_CONTROL, CACHE)], Json(keys)).into_response())
}
