//! The client of a request, and extractors for flows.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    middleware,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    client::client_of,
    context::{Context, no_key},
    cookie, csrf,
    dpop::path_of,
    json, reply,
};
use crate::{
    crypto::token::{AccessToken, TokenString},
    error::{AuthError, ErrorKind},
    model::SessionId,
    services::{Bound, ChallengeHandle, Client, Core, FreshUser, RequestContext},
    session::AuthUser,
};

#[async_trait]
impl RequestContext for Context {
    fn core(&self) -> &Arc<Core> {
        Self::core(self)
    }

    async fn signed_in(&self) -> Result<Option<AuthUser>, AuthError> {
        Self::signed_in(self).await
    }

    async fn anonymous(&self) -> Result<Option<AuthUser>, AuthError> {
        Self::anonymous(self, Self::core(self)).await
    }

    fn access_token(&self) -> Option<&AccessToken> {
        self.presented().token()
    }

    fn refresh_cookie(&self, headers: &HeaderMap) -> Option<String> {
        let is_bearer = self.presented().is_bearer();
        let token = cookie::refresh_token(Self::core(self), headers).filter(|_| !is_bearer);
        token.map(ToOwned::to_owned)
    }

    fn device_cookie(&self, headers: &HeaderMap) -> Option<String> {
        cookie::device_token(Self::core(self), headers)
    }

    fn mail_cookie(&self, headers: &HeaderMap, id: &str, secret: &TokenString) -> Vec<HeaderValue> {
        cookie::set_mail(Self::core(self), headers, id, secret)
    }

    fn clear_mail_cookie(&self, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
        cookie::clear_mail(Self::core(self), headers, tag)
    }

    fn mail_secrets(&self, headers: &HeaderMap) -> Vec<String> {
        cookie::mail_secrets(Self::core(self), headers)
    }

    fn bind(
        &self,
        headers: &HeaderMap,
        bound: Bound,
        id: &str,
        secret: &TokenString,
    ) -> Vec<HeaderValue> {
        cookie::set_bound(Self::core(self), headers, bound, id, secret)
    }

    fn bound_secrets(&self, headers: &HeaderMap, kind: &str) -> Vec<String> {
        cookie::bound_secrets(Self::core(self), headers, kind)
    }

    fn clear_bound(&self, headers: &HeaderMap, kind: &str, tag: &str) -> Vec<HeaderValue> {
        cookie::clear_bound(Self::core(self), headers, kind, tag)
    }

    async fn end_former(&self, new: SessionId) {
        reply::end_former(Self::core(self), self, new).await;
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(parts, Context::of(parts)?.clone())
    }
}

impl Client {
    /// Requires that a browser did not send the request from another site, for the requests of a
    /// route [from elsewhere](crate::Registry::routes_from_elsewhere) that need it. On other routes
    /// this is checked already.
    ///
    /// ```
    /// use authlayer::{AuthError, Client};
    ///
    /// async fn receive(client: Client) -> Result<(), AuthError> {
    ///     if !client.headers().contains_key("x-signature") {
    ///         client.require_same_origin()?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CrossOrigin`].
    pub fn require_same_origin(&self) -> Result<(), AuthError> {
        let core = self.context().core();
        let verified = csrf::verify(&Method::POST, self.headers(), &core.origins);
        verified.map_err(|rejected| rejected.record(core))
    }

    /// Returns the client of a request.
    pub(crate) fn of(parts: &Parts, context: Context) -> Result<Self, AuthError> {
        let core = context.core();
        let info = client_of(parts, core);
        // Routes of the application are checked here, those of the router before.
        if parts.extensions.get::<FromElsewhere>().is_none() {
            csrf::verify(&parts.method, &parts.headers, &core.origins)
                .map_err(|rejected| rejected.record(core))?;
        }
        let members = Arc::clone(context.members());
        let pending = cookie::pending(core, &parts.headers).map(ChallengeHandle::new);
        Ok(Self::new(info, parts.headers.clone(), Arc::new(context), members, pending))
    }
}

/// Returns the client of a request, with or without a layer around it.
pub(crate) fn client(core: &Arc<Core>, parts: &Parts) -> Result<Client, AuthError> {
    let context = match parts.extensions.get::<Context>() {
        Some(_) => Context::of(parts)?.clone(),
        None => {
            let path = path_of(&parts.extensions, &parts.uri);
            let context = Context::new(core, tracing::Span::none(), None);
            context.read(&parts.method, &parts.headers, path).clone()
        }
    };
    Client::of(parts, context)
}

/// Marks a request to a route that other sites can call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromElsewhere;

/// Works on a registered route, where the body is read before. On other routes with a body it is an
/// error: call [`AuthUser::require_fresh`] after the body was read.
impl<S: Send + Sync> FromRequestParts<S> for FreshUser {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        if parts.extensions.get::<Arrived>().is_none() {
            return Err(AuthError::new(ErrorKind::Misconfigured)
                .with_source("FreshUser is an extractor on routes that a flow registers"));
        }
        let context = Context::of(parts)?;
        let user = no_key(context.require_now().await?)?;
        context.core().require_fresh(user.user(), user.session()).await?;
        Ok(Self::new(user))
    }
}

/// A JSON body, with the error responses of the HTTP contract: 415, 400, and 422 with the names of
/// members that are missing or of the wrong type. Unknown members are ignored, and hooks see all.
///
/// ```
/// use authlayer::JsonBody;
///
/// #[derive(serde::Deserialize)]
/// struct Note {
///     text: String,
/// }
///
/// async fn create(JsonBody(note): JsonBody<Note>) -> String {
///     note.text
/// }
/// ```
#[derive(Clone, Copy)]
pub struct JsonBody<T: DeserializeOwned>(pub T);

impl<T: DeserializeOwned> fmt::Debug for JsonBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonBody")
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let (parts, body) = request.into_parts();
        let bytes = json::collect(body, MAX_BODY_LEN).await?;
        let members = match bytes.is_empty() {
            true => Map::new(),
            false => {
                json::require_json(&parts.headers)?;
                json::object(&bytes)?
            }
        };
        json::keep_members(&parts, &members);
        match serde_json::from_value(Value::Object(members.clone())) {
            Ok(body) => Ok(Self(body)),
            // A required body that is missing is not JSON.
            Err(_) if bytes.is_empty() => {
                json::require_json(&parts.headers)?;
                json::object(&bytes).map(|_| ())?;
                Err(ErrorKind::InvalidRequest.into())
            }
            Err(error) => {
                let names = wrong_members::<T>(&members, &error.to_string());
                Err(AuthError::new(ErrorKind::InvalidMembers).with_extension("members", names))
            }
        }
    }
}

/// The maximum length of a body on routes that a flow registers, in bytes.
const MAX_BODY_LEN: usize = 16 * 1024;

/// Returns the names of the members that make an object an invalid `T`: the missing one, and those
/// whose removal changes the error.
fn wrong_members<T: DeserializeOwned>(members: &Map<String, Value>, error: &str) -> Vec<String> {
    let missing = error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    if let Some(name) = missing {
        return vec![name.to_owned()];
    }
    let is_wrong = |name: &&String| {
        let mut without = members.clone();
        without.remove(name.as_str());
        match serde_json::from_value::<T>(Value::Object(without)) {
            Ok(_) => true,
            Err(other) => other.to_string() != error,
        }
    };
    members.keys().filter(is_wrong).cloned().collect()
}

/// Marks a request whose body was read completely.
#[derive(Clone, Copy, Debug)]
struct Arrived;

/// Adds the middleware of a flow's routes: the body is read first, and every error is a problem
/// document.
pub(crate) fn wrapped(routes: Router) -> Router {
    let routes = routes.layer(middleware::map_request(arrive));
    routes.layer(middleware::map_response(as_problem))
}

async fn arrive(request: Request) -> Result<Request, AuthError> {
    let (mut parts, body) = request.into_parts();
    let bytes = json::collect(body, MAX_BODY_LEN).await?;
    parts.extensions.insert(Arrived);
    Ok(Request::from_parts(parts, Body::from(Bytes::from(bytes))))
}

/// Converts the plain-text rejections of axum's own extractors into problem documents.
async fn as_problem(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_text {
        return response;
    }
    let kind = match response.status() {
        StatusCode::BAD_REQUEST => ErrorKind::InvalidRequest,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorKind::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::InvalidMembers,
        _ => return response,
    };
    AuthError::from(kind).into_response()
}
