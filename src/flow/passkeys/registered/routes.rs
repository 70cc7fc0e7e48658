//! `GET /passkeys`, `PATCH` and `DELETE /passkeys/{id}`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::PasskeyService;
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{
        FreshOrRecovering, Signed, SignedIn,
        client::ClientOf,
        in_process::SharedJson,
        json::{FromMembers, Members},
        reply,
    },
    model::Transport,
    registry::Registry,
};

type Service = State<PasskeyService>;

pub(crate) fn register(registry: &mut Registry, service: &PasskeyService) {
    registry.own_routes(
        service,
        [
            ("/passkeys", LIST.to(list)),
            ("/passkeys/{id}", RENAME.to(rename).and(REMOVE.to(remove))),
        ],
    );
}

struct Named {
    name: String,
}

impl FromMembers for Named {
    const MEMBERS: &'static [Member] =
        &[Member::new("name", Schema::text_of((1, 64), "Ada's laptop"))];

    fn read(members: &mut Members) -> Option<Self> {
        let name = members.name();
        if name.is_none() {
            members.refuse("name");
        }
        Some(Self { name: name? })
    }
}

pub(crate) const PASSKEY: Schema = Schema::Named(
    "Passkey",
    &[
        Member::text("id", "0198c2f0-6c5b-7000-8000-000000000000"),
        Member::text("name", "Ada's laptop"),
        Member::text("aaguid", "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"),
        Member::new("transports", Schema::List(&Schema::text("internal"))),
        Member::new("backed_up", Schema::Boolean(true)),
        Member::new("user_verified", Schema::Boolean(true)),
        Member::time("created_at"),
        Member::time("last_used_at").nullable(),
    ],
);
const LIST: Operation = Operation::get("listPasskeys", "Lists the passkeys and security keys")
    .returns(&[Success::json(
        200,
        "The passkeys, the oldest first, and the argument of `signalAllAcceptedCredentials`.",
        Schema::Object(&[
            Member::new("passkeys", Schema::List(&PASSKEY)),
            Member::new(
                "signal",
                Schema::Object(&[
                    Member::text("rpId", "example.com"),
                    Member::text("userId", "AAAA"),
                    Member::new("allAcceptedCredentialIds", Schema::List(&Schema::text("AAAA"))),
                ]),
            ),
        ]),
    )]);

async fn list(State(service): Service, SignedIn(auth): SignedIn) -> Result<SharedJson, AuthError> {
    let passkeys = service.list(auth.user()).await?;
    let signal = service.signal_accepted_credentials(auth.user()).await?;
    Ok(SharedJson(json!({ "passkeys": passkeys, "signal": signal })))
}

const RENAME: Operation = Operation::patch("renamePasskey", "Renames a passkey or security key")
    .returns(&[Success::json(200, "The passkey.", PASSKEY)]);

async fn rename(
    State(service): Service,
    id: Result<Path<String>, PathRejection>,
    Signed { auth, body }: Signed<Named>,
) -> Result<Json<Value>, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    service.rename(auth.user(), &id, body.name).await.map(Json)
}

const REMOVE: Operation = Operation::delete("removePasskey", "Removes a passkey or security key")
    .returns(&[Success::empty(204, "Removed, with new tokens in cookies.").with_cookies()])
    .fails(&[ErrorKind::LastCredential]);

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
