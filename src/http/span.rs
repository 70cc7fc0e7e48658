//! The span of a request, with the names of OpenTelemetry.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath};
use http::{Request, Response};
use tracing::{
    Span,
    field::{Empty, display},
};

use crate::{services::Core, session::AuthenticatedSession};

/// Creates the span of a request. The query is not part of it, since it may have secrets.
pub(super) fn of_request<B>(request: &Request<B>, core: &Core) -> Span {
    let extensions = request.extensions();
    let socket = extensions.get::<ConnectInfo<SocketAddr>>();
    let socket = socket.map(|ConnectInfo(address)| address.ip());
    let ip = core.proxies.client(socket, request.headers());
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        http.route = route,
        url.path = request.uri().path(),
        client.address = ip.map(display),
        user.id = Empty,
        session.id = Empty,
        http.response.status_code = Empty,
    )
}

/// Records the user and the session that were found for a request.
pub(super) fn record_user(span: &Span, found: &AuthenticatedSession) {
    span.record("user.id", display(&found.user.id));
    span.record("session.id", display(found.session.id));
}

/// Records the status of the response.
pub(super) fn record_status<R>(span: &Span, response: &Response<R>) {
    span.record("http.response.status_code", response.status().as_u16());
}
