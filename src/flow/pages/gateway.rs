//! Calls of the routes of the flows, in the same process.
//!
//! A page sends a route the request that a script would send: a JSON body, with the headers of the
//! browser. The route applies all of its rules, and its cookies become those of the page.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower_service::Service;

use super::visit::Visit;
use crate::{
    error::{AuthError, ErrorKind},
    http::{
        in_process::{BodyValue, in_process},
        reply::SESSION_REGISTRATION,
    },
};

/// The response of a route.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) cookies: Vec<HeaderValue>,
    /// The JSON body; null if there is none.
    pub(super) body: Value,
}

impl Reply {
    /// Returns a response without content.
    pub(super) fn none() -> Self {
        Self { status: StatusCode::NO_CONTENT, cookies: Vec::new(), body: Value::Null }
    }
}

impl Visit {
    /// Calls a route with a JSON body.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Reply, AuthError> {
        let mut request = Request::new(Body::from(body.to_string()));
        *request.headers_mut() = self.parts.headers.clone();
        request.headers_mut().remove(header::CONTENT_LENGTH);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        self.call(method, path, request).await
    }

    /// Calls a route without a body.
    pub(super) async fn call_empty(&self, method: Method, path: &str) -> Result<Reply, AuthError> {
        let mut request = Request::new(Body::empty());
        *request.headers_mut() = self.parts.headers.clone();
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request.headers_mut().remove(header::CONTENT_TYPE);
        self.call(method, path, request).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        mut request: Request,
    ) -> Result<Reply, AuthError> {
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| ErrorKind::NotFound)?;
        request.extensions_mut().insert(self.context.clone());
        if let Some(peer) = self.parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            request.extensions_mut().insert(*peer);
        }
        let mut routes = self.site.routes.clone();
        let called = in_process(Service::<Request>::call(&mut routes, request));
        let Ok(response) = called.await;
        let (mut parts, body) = response.into_parts();
        if let Some(error) = parts.extensions.get::<AuthError>() {
            return Err(error.clone());
        }
        if parts.status == StatusCode::NOT_FOUND {
            return Err(ErrorKind::NotFound.into());
        }
        if let Some(offer) = parts.headers.remove(SESSION_REGISTRATION) {
            self.context.set_offer(offer);
        }
        let cookies = parts.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        let body = match parts.extensions.remove::<BodyValue>() {
            Some(BodyValue(value)) => value,
            None => {
                let bytes = body.collect().await.map_err(|_| ErrorKind::Misconfigured)?.to_bytes();
                serde_json::from_slice(&bytes).unwrap_or_default()
            }
        };
        Ok(Reply { status: parts.status, cookies, body })
    }
}
