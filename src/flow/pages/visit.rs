//! A request to a page: its query, its form and its language.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    response::Response,
};
use http::{Method, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value, json};

use super::{site::PageSite, words::Language};
use crate::{
    error::{AuthError, ErrorKind},
    http::{Context, csrf, query::Query},
    session::AuthUser,
};

/// The maximum length of a form, in bytes.
const MAX_FORM_LEN: usize = 16 * 1024;
/// The inputs that may be left empty.
const OPTIONAL: &[&str] = &["display_name", "name"];
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// A request to a page.
pub(super) struct Visit {
    pub(super) site: PageSite,
    pub(super) parts: Parts,
    pub(super) context: Context,
    pub(super) language: Arc<Language>,
    /// Whether the query has the language, which links and forms retain then.
    has_language: bool,
    query: Query,
    form: Result<Query, ErrorKind>,
}

impl FromRequest<PageSite> for Visit {
    type Rejection = Response;

    async fn from_request(request: Request, site: &PageSite) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        // Pages have sessions of browsers only.
        parts.headers.remove(header::AUTHORIZATION);
        let context =
            Context::of(&parts).cloned().map_err(axum::response::IntoResponse::into_response)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let mut visit = Self {
            language: site.pages.words().negotiate(None, None, None),
            site: site.clone(),
            has_language: false,
            context,
            query,
            form: Err(ErrorKind::InvalidRequest),
            parts,
        };
        let is_post = visit.parts.method == Method::POST;
        visit.choose_language(is_post).await;
        if is_post {
            visit.check_origin().map_err(|error| visit.error(&error))?;
            let bytes = collect(body).await.map_err(|kind| visit.error(&kind.into()))?;
            visit.form = visit.read_form(&bytes);
        }
        Ok(visit)
    }
}

impl Visit {
    /// Chooses the language of the query, else that of the user, else one that the browser accepts.
    async fn choose_language(&mut self, is_post: bool) {
        let words = self.site.pages.words();
        let given = self.query.once("lang").ok().flatten();
        let given = given.filter(|tag| words.find(tag).is_some());
        self.has_language = given.is_some();
        // A form from another site must not resolve the session of the browser.
        let is_own = !is_post || self.check_origin().is_ok();
        let user = if given.is_none() && is_own { self.user().await.ok().flatten() } else { None };
        let locale = user.as_ref().and_then(|own| own.user().user_metadata.get("locale"));
        let locale = locale.and_then(Value::as_str);
        let accept = self.parts.headers.get(header::ACCEPT_LANGUAGE);
        let accept = accept.and_then(|value| value.to_str().ok());
        let language = words.negotiate(given, locale, accept);
        self.language = language;
    }

    fn check_origin(&self) -> Result<(), AuthError> {
        let core = &self.site.core;
        csrf::verify(&self.parts.method, &self.parts.headers, &core.origins)
            .map_err(|rejected| rejected.record(core))
    }

    fn read_form(&self, bytes: &[u8]) -> Result<Query, ErrorKind> {
        let mut kinds = self.parts.headers.get_all(header::CONTENT_TYPE).iter();
        let kind = kinds.next().map(http::HeaderValue::as_bytes).unwrap_or_default();
        let essence = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        // A form without fields may have no body, and so no type.
        let is_empty = bytes.is_empty() && kind.is_empty();
        if !(is_empty || essence.eq_ignore_ascii_case(FORM)) || kinds.next().is_some() {
            return Err(ErrorKind::UnsupportedMediaType);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ErrorKind::InvalidRequest)?;
        Ok(Query::parse(text))
    }

    /// Returns the user of the session, if there is one.
    pub(super) async fn user(&self) -> Result<Option<AuthUser>, AuthError> {
        self.context.optional().await
    }

    /// Returns the form of a `POST`.
    pub(super) fn form(&self) -> Result<&Query, Response> {
        self.form.as_ref().map_err(|kind| self.error(&(*kind).into()))
    }

    /// Returns the return path of the form, which must be an allowed target.
    pub(super) fn posted_return_to(&self) -> Result<Option<String>, AuthError> {
        let target = self.form.as_ref().map_err(|kind| *kind)?.once("return_to")?;
        if let Some(target) = target {
            self.site.core.redirects.check(target)?;
        }
        Ok(target.map(ToOwned::to_owned))
    }

    /// Returns the return path of the query. One that is not an allowed target is ignored.
    pub(super) fn return_to(&self) -> Result<Option<String>, Response> {
        let target = self.query.once("return_to").map_err(|error| self.error(&error))?;
        let target = target.filter(|target| self.site.core.redirects.check(target).is_ok());
        Ok(target.map(ToOwned::to_owned))
    }

    /// Returns a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, Response> {
        self.query.once(name).map_err(|error| self.error(&error))
    }

    /// Returns all values of a parameter of the query.
    pub(super) fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.all(name)
    }

    /// Returns an input of the form.
    pub(super) fn input(&self, name: &str) -> Result<Option<&str>, Response> {
        self.form()?.once(name).map_err(|error| self.error(&error))
    }

    /// Returns the members of a request for the inputs that were sent. Browsers also send optional
    /// inputs that were left empty.
    pub(super) fn members(&self, inputs: &[&str]) -> Result<Map<String, Value>, Response> {
        let mut members = Map::new();
        for name in inputs {
            let value = self.input(name)?;
            if let Some(value) = value.filter(|own| !own.is_empty() || !OPTIONAL.contains(name)) {
                members.insert((*name).to_owned(), json!(value));
            }
        }
        Ok(members)
    }

    pub(super) fn is_post(&self) -> bool {
        self.parts.method == Method::POST
    }

    /// Returns the query that links and forms of this page retain.
    pub(super) fn suffix(&self) -> String {
        if self.has_language { format!("?lang={}", self.language.tag) } else { String::new() }
    }
}

async fn collect(body: Body) -> Result<Bytes, ErrorKind> {
    match Limited::new(body, MAX_FORM_LEN).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorKind::PayloadTooLarge),
        Err(_) => Err(ErrorKind::InvalidRequest),
    }
}
