//! Query strings and forms whose members are read by name.

use axum::extract::{FromRequest, Request};
use http::HeaderMap;

use super::json;
use crate::error::{AuthError, ErrorKind};

/// The maximum length of a form, in bytes.
const MAX_FORM_LEN: usize = 16 * 1024;

/// The pairs of a query or a form.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Returns a parameter, or `None` if it is absent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRequest`] if it is sent twice.
    pub(crate) fn once(&self, name: &str) -> Result<Option<&str>, AuthError> {
        let mut own = self.0.iter().filter(|(own, _)| own == name);
        match (own.next(), own.next()) {
            (first, None) => Ok(first.map(|(_, value)| value.as_str())),
            _ => Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("A parameter is given twice.")),
        }
    }

    /// Returns whether a parameter is given twice.
    pub(crate) fn has_repeated(&self) -> bool {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair.first() == pair.last())
    }

    /// Returns all values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A form that was read completely and is not parsed yet.
#[derive(Debug)]
pub(crate) struct ReadForm {
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl ReadForm {
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Parses the form.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnsupportedMediaType`]; [`ErrorKind::InvalidRequest`] if it is not UTF-8.
    pub(crate) fn interpret(&self) -> Result<Query, AuthError> {
        json::require_type(&self.headers, b"application/x-www-form-urlencoded")?;
        let text = std::str::from_utf8(&self.bytes).map_err(|_| ErrorKind::InvalidRequest)?;
        Ok(Query::parse(text))
    }
}

impl<S: Send + Sync> FromRequest<S> for ReadForm {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let (parts, body) = request.into_parts();
        let bytes = json::collect(body, MAX_FORM_LEN).await?;
        Ok(Self { headers: parts.headers, bytes })
    }
}

/// A body that is a form.
#[derive(Debug)]
pub(crate) struct Form(pub(crate) Query);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = AuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AuthError> {
        ReadForm::from_request(request, state).await?.interpret().map(Self)
    }
}
