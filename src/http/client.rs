//! Who is at the other end, as far as one can tell.

use std::{convert::Infallible, net::SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{header, request::Parts};

use crate::model::Client;

const LONGEST_USER_AGENT: usize = 256;

/// Takes the network address from the socket, where the server was started with
/// `into_make_service_with_connect_info::<SocketAddr>()`; no header is believed.
#[derive(Debug)]
pub(crate) struct ClientInfo(pub(crate) Client);

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let socket = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let agent = parts.headers.get(header::USER_AGENT);
        Ok(Self(Client {
            ip: socket.map(|ConnectInfo(address)| address.ip().to_canonical().to_string()),
            user_agent: agent.map(|value| printable(value.as_bytes())),
        }))
    }
}

/// Text that cannot break a log line or a page (LG-04).
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_USER_AGENT)
        .collect()
}
