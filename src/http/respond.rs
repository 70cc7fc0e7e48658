//! Responses to sign-ins.

use std::convert::Infallible;

use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{cookie, reply};
use crate::{
    error::{AuthError, ErrorKind},
    model::Transport,
    redirect::IntoRedirectTarget,
    services::{Begun, IssuedToken, PendingChallenge, SignInOutcome, SignedIn, SignedOut},
};

impl IntoResponse for SignInOutcome {
    fn into_response(self) -> Response {
        match self {
            Self::Complete(complete) => complete.into_response(),
            Self::Pending(pending) => pending.into_response(),
        }
    }
}

impl IntoResponse for SignedIn {
    fn into_response(self) -> Response {
        let Begun { core, user, issued, device, is_new_user, body, return_to, cookies } = *self.0;
        let is_bearer = issued.session.transport == Transport::Bearer;
        let device = device.map(|device| (device.to_token(), core.device_life()));
        let mut members = Map::new();
        if let Some((device, _)) = device.as_ref().filter(|_| is_bearer) {
            members.insert("device_token".to_owned(), json!(device.expose()));
        }
        let mut response = match body {
            Some((status, own)) => {
                members.extend(own);
                reply::with_tokens(&core, status, members, &issued)
            }
            None => {
                if let Some(target) = return_to {
                    members.insert("redirect_to".to_owned(), json!(target));
                }
                let status = if is_new_user { StatusCode::CREATED } else { StatusCode::OK };
                reply::complete_with(&core, status, &user, issued, members)
            }
        };
        let device = device.filter(|_| !is_bearer);
        let device = device.map(|(device, life)| cookie::set_device(&core, &device, life));
        for line in device.into_iter().chain(cookies) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        response
    }
}

/// Adds the cookies of the session to a response of the application. For a session with the bearer
/// transport it is an error, because those tokens are part of the body.
impl IntoResponseParts for SignedIn {
    type Error = AuthError;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, AuthError> {
        if self.0.issued.session.transport == Transport::Bearer {
            return Err(AuthError::new(ErrorKind::Misconfigured)
                .with_source("tokens of the bearer transport are part of the body"));
        }
        for line in cookie::set_both(&self.0.core, &self.0.issued).into_iter().chain(self.0.cookies)
        {
            parts.headers_mut().append(header::SET_COOKIE, line);
        }
        reply::offer_binding(&self.0.core, parts.headers_mut(), &self.0.issued);
        parts.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        Ok(parts)
    }
}

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        reply::signed_out(&self.0)
    }
}

/// Adds the headers that clear the cookies of the session.
impl IntoResponseParts for SignedOut {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        reply::forget(&self.0, parts.headers_mut());
        parts.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        Ok(parts)
    }
}

/// Adds the cookie of a challenge that is bound to the browser.
impl IntoResponseParts for IssuedToken {
    type Error = AuthError;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, AuthError> {
        for line in self.cookies {
            parts.headers_mut().append(header::SET_COOKIE, line);
        }
        parts.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        Ok(parts)
    }
}

impl SignedIn {
    /// Redirects to the return target of the client, or to `/` (303), with the cookies of the
    /// session.
    pub fn redirect(self) -> Response {
        let place = self.0.return_to.clone().unwrap_or_else(|| "/".to_owned());
        self.see_other(&place)
    }

    /// Redirects to a target (303), with the cookies of the session.
    pub fn redirect_to(self, target: impl IntoRedirectTarget) -> Response {
        self.see_other(target.into_target().as_str())
    }

    fn see_other(self, place: &str) -> Response {
        if self.0.issued.session.transport == Transport::Bearer {
            let error = AuthError::new(ErrorKind::Misconfigured);
            return error
                .with_source("tokens of the bearer transport are part of a body")
                .into_response();
        }
        let mut response = reply::see_other(place);
        for line in cookie::set_both(&self.0.core, &self.0.issued) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        reply::offer_binding(&self.0.core, response.headers_mut(), &self.0.issued);
        // A pending sign-in of the browser is complete.
        let pending = cookie::clear_pending(&self.0.core);
        for line in self.0.cookies.into_iter().chain([pending]) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        response
    }
}

impl PendingChallenge {
    /// Redirects to the page that requests the factor (303). The challenge is in an `HttpOnly`
    /// cookie, which [`PendingChallenges`](crate::services::PendingChallenges) reads.
    pub fn redirect_to(self, target: impl IntoRedirectTarget) -> Response {
        let mut response = reply::see_other(target.into_target().as_str());
        let line = cookie::set_pending(&self.core, self.challenge.expose());
        for line in self.cookies.into_iter().chain([line]) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        response
    }
}

impl IntoResponse for PendingChallenge {
    fn into_response(self) -> Response {
        let mut body = json!({
            "status": "pending",
            "challenge": self.challenge,
            "methods": self.methods,
            "expires_at": self.expires_at,
        });
        if let Value::Object(body) = &mut body {
            if let Some(at) = self.resend_at {
                body.insert("resend_at".to_owned(), json!(at));
            }
            if let Some(options) = self.options {
                body.insert("options".to_owned(), options);
            }
        }
        let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
        for line in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, reply::NO_STORE);
        response
    }
}
