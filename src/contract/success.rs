//! Responses without an error.

use super::Schema;

/// A response without an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Success {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: Content,
    /// Whether the response may set cookies.
    pub(crate) sets_cookies: bool,
    /// A header that the response has.
    pub(crate) header: Option<&'static str>,
}

/// The body of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    None,
    Json(Schema),
    /// A text with a content type.
    Text(&'static str),
    /// None, but a `Location` header.
    Redirect,
}

impl Success {
    const fn new(status: u16, description: &'static str, content: Content) -> Self {
        Self { status, description, content, sets_cookies: false, header: None }
    }

    pub(crate) const fn json(status: u16, description: &'static str, schema: Schema) -> Self {
        Self::new(status, description, Content::Json(schema))
    }

    pub(crate) const fn empty(status: u16, description: &'static str) -> Self {
        Self::new(status, description, Content::None)
    }

    pub(crate) const fn text(media_type: &'static str, description: &'static str) -> Self {
        Self::new(200, description, Content::Text(media_type))
    }

    pub(crate) const fn redirect(description: &'static str) -> Self {
        Self::new(303, description, Content::Redirect)
    }

    /// The response may set cookies.
    pub(crate) const fn with_cookies(self) -> Self {
        Self { sets_cookies: true, ..self }
    }

    /// Sets a header of the response.
    pub(crate) const fn with_header(self, name: &'static str) -> Self {
        Self { header: Some(name), ..self }
    }
}
