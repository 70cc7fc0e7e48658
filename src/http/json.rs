//! Bodies: JSON objects of a bounded size whose members are asked for by name.

use axum::extract::{FromRequest, OptionalFromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{AuthError, ErrorKind};

/// A body from which `T` was read.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// What can be read from the members of a body.
pub(crate) trait FromMembers: Sized {
    /// The longest body, in bytes.
    const LONGEST: usize = 16 * 1024;

    /// Asks for each member; `None` when one that is needed is missing.
    fn read(members: &mut Members) -> Option<Self>;
}

/// The members of a body, and which of those asked for were not as they should be.
#[derive(Debug)]
pub(crate) struct Members {
    given: Map<String, Value>,
    wrong: Vec<&'static str>,
}

impl Members {
    /// A member that must be there.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let value = self.given.remove(name).and_then(|value| serde_json::from_value(value).ok());
        if value.is_none() {
            self.wrong.push(name);
        }
        value
    }

    /// Says of a member that was read that it is not as it should be.
    pub(crate) fn refuse(&mut self, name: &'static str) {
        if !self.wrong.contains(&name) {
            self.wrong.push(name);
        }
    }

    /// A line of text that may be absent: no control character, at most so many characters.
    ///
    /// PostgreSQL stores no NUL, and a name that breaks lines breaks logs and mails.
    pub(crate) fn optional_line(&mut self, name: &'static str, longest: usize) -> Option<String> {
        let line: Option<String> = self.optional(name);
        let fits =
            |line: &str| !line.chars().any(char::is_control) && line.chars().nth(longest).is_none();
        if line.as_deref().is_some_and(|line| !fits(line)) {
            self.wrong.push(name);
        }
        line
    }

    /// A member that may be absent or null, but is of its type if there.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        match self.given.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let value = serde_json::from_value(value).ok();
                if value.is_none() {
                    self.wrong.push(name);
                }
                value
            }
        }
    }
}

impl<T: FromMembers, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        require_json(request.headers())?;
        read(&collect(request, T::LONGEST).await?).map(Self)
    }
}

impl<T: FromMembers, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, AuthError> {
        let is_json = require_json(request.headers());
        let bytes = collect(request, T::LONGEST).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        is_json?;
        read(&bytes).map(|value| Some(Self(value)))
    }
}

fn read<T: FromMembers>(bytes: &[u8]) -> Result<T, AuthError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| {
        AuthError::new(ErrorKind::InvalidRequest).with_detail("The body is not JSON in UTF-8.")
    })?;
    let Value::Object(given) = value else {
        return Err(AuthError::new(ErrorKind::InvalidMembers)
            .with_detail("The body is not an object.")
            .with_member("members", Vec::<Value>::new()));
    };
    let mut members = Members { given, wrong: Vec::new() };
    match T::read(&mut members) {
        Some(value) if members.wrong.is_empty() => Ok(value),
        _ => Err(AuthError::new(ErrorKind::InvalidMembers).with_member("members", members.wrong)),
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), AuthError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ErrorKind::UnsupportedMediaType.into());
    };
    let essence = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        Ok(())
    } else {
        Err(ErrorKind::UnsupportedMediaType.into())
    }
}

async fn collect(request: Request, longest: usize) -> Result<Vec<u8>, AuthError> {
    match Limited::new(request.into_body(), longest).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorKind::PayloadTooLarge.into()),
        Err(_) => {
            Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("The body did not arrive whole."))
        }
    }
}
