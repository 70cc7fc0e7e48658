//! Query strings and forms whose members are read by name.

use axum::extract::{FromRequest, Request};

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

    /// Returns all values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A body that is a form.
#[derive(Debug)]
pub(crate) struct Form(pub(crate) Query);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let (parts, body) = request.into_parts();
        let bytes = json::collect(body, MAX_FORM_LEN).await?;
        json::require_type(&parts.headers, b"application/x-www-form-urlencoded")?;
        let text = std::str::from_utf8(&bytes).map_err(|_| ErrorKind::InvalidRequest)?;
        Ok(Self(Query::parse(text)))
    }
}
