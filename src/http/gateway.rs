//! Identities that a trusted gateway forwards to the services behind it.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use axum::extract::{ConnectInfo, FromRequestParts};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::{AuthError, ErrorKind},
    model::Subject,
    network::{InvalidNetwork, Proxies},
};

/// The prefix of the headers that clients must not send.
const PREFIX: &str = "x-auth-";
/// The subject as JSON in base64url.
const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
/// The maximum length of the header.
const LONGEST: usize = 16 * 1024;

/// Adds a subject to the headers of a request that a gateway forwards: `x-auth-subject`. Every
/// other `x-auth-…` header is removed first, so clients cannot send their own. With `None`, only
/// the removal is done.
///
/// ```
/// use authlayer::{AuthError, AuthUser, set_forwarded_subject};
/// use http::HeaderMap;
///
/// fn forward(user: Option<&AuthUser>, headers: &mut HeaderMap) -> Result<(), AuthError> {
///     let subject = user.map(|user| user.subject());
///     set_forwarded_subject(headers, subject.as_ref())
/// }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Misconfigured`] for a subject that cannot be encoded as a header.
pub fn set_forwarded_subject(
    headers: &mut HeaderMap,
    subject: Option<&Subject>,
) -> Result<(), AuthError> {
    strip(headers);
    let Some(subject) = subject else { return Ok(()) };
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| {
        AuthError::new(ErrorKind::Misconfigured).with_source(cause)
    };
    let json = serde_json::to_vec(subject).map_err(|error| failed(error.into()))?;
    let value = HeaderValue::try_from(URL_SAFE_NO_PAD.encode(json));
    headers.insert(SUBJECT, value.map_err(|error| failed(error.into()))?);
    Ok(())
}

fn strip(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// The layer of a service behind gateways. It accepts the subject of [`set_forwarded_subject`] from
/// trusted gateways, and removes all `x-auth-…` headers from every request. Handlers extract
/// [`ForwardedSubject`].
///
/// ```
/// use authlayer::{ForwardedSubject, InvalidNetwork, TrustGatewayLayer};
/// use axum::{Router, routing::get};
///
/// async fn kind(ForwardedSubject(subject): ForwardedSubject) -> String {
///     format!("{:?}", subject.kind)
/// }
///
/// fn app() -> Result<Router, InvalidNetwork> {
///     Ok(Router::new().route("/kind", get(kind)).layer(TrustGatewayLayer::new(["10.0.0.0/8"])?))
/// }
/// ```
///
/// # Security
///
/// Add networks that contain only gateways: every other machine in them can impersonate any user.
/// The server must be started with `into_make_service_with_connect_info::<SocketAddr>()`; otherwise
/// no request is trusted.
#[derive(Clone, Debug)]
pub struct TrustGatewayLayer {
    peers: Arc<Proxies>,
}

impl TrustGatewayLayer {
    /// Trusts the gateways at these IP addresses or in these networks (`"10.0.0.0/8"`).
    ///
    /// # Errors
    ///
    /// [`InvalidNetwork`].
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        Ok(Self { peers: Arc::new(Proxies::parse(networks)?) })
    }
}

impl<S> Layer<S> for TrustGatewayLayer {
    type Service = TrustGatewayMiddleware<S>;

    fn layer(&self, inner: S) -> TrustGatewayMiddleware<S> {
        TrustGatewayMiddleware { inner, peers: Arc::clone(&self.peers) }
    }
}

/// A service behind a [`TrustGatewayLayer`].
///
/// ```
/// use authlayer::{TrustGatewayLayer, TrustGatewayMiddleware};
/// use tower_layer::Layer;
///
/// fn wrap<S>(layer: &TrustGatewayLayer, inner: S) -> TrustGatewayMiddleware<S> {
///     layer.layer(inner)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TrustGatewayMiddleware<S> {
    inner: S,
    peers: Arc<Proxies>,
}

#[derive(Clone, Debug)]
struct Believed(Result<Option<Subject>, ()>);

impl<S: Service<Request<B>>, B> Service<Request<B>> for TrustGatewayMiddleware<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let trusted = peer.is_some_and(|ConnectInfo(peer)| self.peers.contains(peer.ip()));
        let believed = if trusted { read(request.headers()) } else { Ok(None) };
        strip(request.headers_mut());
        request.extensions_mut().insert(Believed(believed));
        self.inner.call(request)
    }
}

/// Returns the subject of the header, or an error if it is malformed or sent twice.
fn read(headers: &HeaderMap) -> Result<Option<Subject>, ()> {
    let mut values = headers.get_all(SUBJECT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.len() > LONGEST {
        return Err(());
    }
    let json = URL_SAFE_NO_PAD.decode(value.as_bytes()).map_err(|_| ())?;
    serde_json::from_slice(&json).map(Some).map_err(|_| ())
}

/// The subject that a trusted gateway forwarded.
///
/// ```
/// use authlayer::ForwardedSubject;
///
/// async fn roles(ForwardedSubject(subject): ForwardedSubject) -> String {
///     subject.roles.join(", ")
/// }
/// ```
///
/// # Errors
///
/// 401 without a subject or with a malformed one; 500 without a [`TrustGatewayLayer`].
#[derive(Clone, Debug)]
pub struct ForwardedSubject(pub Subject);

impl<S: Send + Sync> FromRequestParts<S> for ForwardedSubject {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        match parts.extensions.get::<Believed>() {
            Some(Believed(Ok(Some(subject)))) => Ok(Self(subject.clone())),
            Some(Believed(Ok(None))) => Err(ErrorKind::Unauthenticated.into()),
            Some(Believed(Err(()))) => Err(ErrorKind::InvalidToken.into()),
            None => Err(AuthError::new(ErrorKind::Misconfigured)
                .with_source("this route has no TrustGatewayLayer")),
        }
    }
}
