//! `POST /oauth/{provider}/callback`.

use axum::{extract::State, response::Response};

use crate::{
    contract::{Member, Operation, Success},
    error::AuthError,
    flow::oauth::{
        OAuthService,
        posted::{Posted, name_of},
    },
    http::{query::Form, reply},
};

pub(in crate::flow::oauth) const POSTED_CALLBACK: Operation =
    Operation::post("postProviderResponse", "Stores the response of a provider that posts it")
        .form(&[
            Member::text("code", "0123456789abcdef").optional(),
            Member::text("state", "0123456789abcdef").optional(),
            Member::text("iss", "https://idp.example.com").optional(),
            Member::text("error", "access_denied").optional(),
            Member::text("user", r#"{"name": {"firstName": "Ada"}}"#).optional(),
        ])
        .returns(&[Success::redirect("The callback, with the state alone.")]);

/// Stores a posted response and leads the browser to the callback, which has its cookie.
pub(in crate::flow::oauth) async fn posted_callback(
    State(service): State<OAuthService>,
    Form(form): Form,
) -> Result<Response, AuthError> {
    let text = |name: &str| Ok::<_, AuthError>(form.once(name)?.map(ToOwned::to_owned));
    let posted = Posted {
        code: text("code")?,
        error: text("error")?,
        iss: text("iss")?,
        name: form.once("user")?.and_then(name_of),
    };
    let state = form.once("state")?.filter(|state| OAuthService::cookie_tag(state).is_some());
    let state = state.unwrap_or_default();
    service.store_posted(state, &posted).await?;
    let callback = format!("{}/oauth/{}/callback", service.core().mount, service.id());
    Ok(reply::see_other(&reply::with_parameter(&callback, "state", state)))
}
