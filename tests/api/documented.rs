//! Checks of responses against the OpenAPI document: every response that a test receives from a
//! [`Bed`](crate::support::Bed) has a status, a code and a body that the document lists.
//!
//! Half of the stores have the checks, since to write the document takes as long as most tests:
//! each database and each user mode is among them.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderMap, Method, header};
use serde_json::Value;

use crate::{support::On, testbed::Testbed};

/// The OpenAPI document of a testbed.
pub(crate) struct Document(pub(crate) Value);

/// Returns the router of a testbed, which fails on some stores if a response is not listed in its
/// document.
pub(crate) fn documented(bed: &Testbed, on: On) -> Router {
    if !matches!(on, On::Sqlite | On::SqliteCustom | On::PostgresMapped) {
        return bed.router();
    }
    let document = Arc::new(Document::of(&bed.auth));
    let check = move |request: Request, next: Next| check(Arc::clone(&document), request, next);
    bed.router().layer(from_fn(check))
}

async fn check(document: Arc<Document>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let Some(operation) = document.operation(&method, &path) else { return response };
    let (parts, body) = response.into_parts();
    let is_empty = method == Method::HEAD;
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let status = parts.status.as_u16();
    if let Err(problem) = document.verify(operation, status, &parts.headers, &bytes, is_empty) {
        panic!("{method} {path} returned {status}, and the document does not allow it: {problem}");
    }
    Response::from_parts(parts, Body::from(bytes))
}

impl Document {
    pub(crate) fn of(auth: &authlayer::Auth) -> Self {
        Self(serde_json::to_value(auth.openapi()).unwrap())
    }

    /// Returns the operation of a request, if there is one.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let path = path.strip_prefix("/auth/")?;
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let paths = self.0["paths"].as_object().unwrap();
        let matches = |pattern: &str| {
            let pattern = pattern.trim_start_matches('/');
            let mut parts = pattern.split('/').zip(path.split('/'));
            pattern.split('/').count() == path.split('/').count()
                && parts
                    .all(|(own, given)| own == given || (own.starts_with('{') && !given.is_empty()))
        };
        // A path without parameters comes first, as in the router.
        let mut found: Vec<_> = paths.iter().filter(|(pattern, _)| matches(pattern)).collect();
        found.sort_by_key(|(pattern, _)| pattern.contains('{'));
        found.first()?.1.get(method.as_str().to_ascii_lowercase())
    }

    /// Checks a response.
    pub(crate) fn verify(
        &self,
        operation: &Value,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        is_empty: bool,
    ) -> Result<(), String> {
        let listed = &operation["responses"][status.to_string()];
        if listed.is_null() {
            return Err(format!("{} does not list the status", operation["operationId"]));
        }
        for (header, name) in [
            (header::SET_COOKIE, "Set-Cookie"),
            (header::RETRY_AFTER, "Retry-After"),
            (header::WWW_AUTHENTICATE, "WWW-Authenticate"),
            (header::LOCATION, "Location"),
        ] {
            // The layer renews a session with any response.
            let is_renewal = header == header::SET_COOKIE;
            if headers.contains_key(&header) && listed["headers"][name].is_null() && !is_renewal {
                return Err(format!("the header {name} is not listed"));
            }
        }
        let media_type = headers.get(header::CONTENT_TYPE).map(|own| own.to_str().unwrap());
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
        if media_type == "text/html" || is_empty {
            return Ok(());
        }
        let content = &listed["content"];
        // A browser expects no body with the new cookies of a bound session.
        let can_be_empty = content.is_null() || operation["operationId"] == "refreshDevice";
        if body.is_empty() && can_be_empty {
            return Ok(());
        }
        let content = &content[media_type];
        if content.is_null() {
            return Err(format!("the content type {media_type:?} is not listed"));
        }
        match media_type.ends_with("json") {
            true => {
                let body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                self.matches(&body, &content["schema"], "the body")
            }
            false => Ok(()),
        }
    }

    /// Checks a value against the keywords of JSON Schema that the document uses.
    pub(crate) fn matches(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{at} {what}: {value}"));
        for (keyword, own) in schema.as_object().unwrap() {
            let list = || own.as_array().unwrap().iter();
            match keyword.as_str() {
                "$ref" => {
                    let pointer = own.as_str().unwrap().trim_start_matches('#');
                    self.matches(value, self.0.pointer(pointer).unwrap(), at)?;
                }
                "type" => {
                    let has = |kind: &Value| is_of(value, kind.as_str().unwrap());
                    if !own.as_array().map_or_else(|| has(own), |kinds| kinds.iter().any(has)) {
                        return fail(&format!("is not {own}"));
                    }
                }
                "enum" if !list().any(|one| one == value) => {
                    return fail(&format!("is none of {own}"));
                }
                "required" => {
                    let missing = list().find(|name| {
                        value[name.as_str().unwrap()].is_null()
                            && value.get(name.as_str().unwrap()).is_none()
                    });
                    if let Some(name) = missing {
                        return fail(&format!("lacks {name}"));
                    }
                }
                "properties" => {
                    for (name, schema) in own.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            self.matches(member, schema, &format!("{at}.{name}"))?;
                        }
                    }
                }
                "items" => {
                    for each in value.as_array().into_iter().flatten() {
                        self.matches(each, own, &format!("{at}[]"))?;
                    }
                }
                "minimum" if value.as_f64().is_some_and(|given| given < own.as_f64().unwrap()) => {
                    return fail("is too small");
                }
                "allOf" => list().try_for_each(|each| self.matches(value, each, at))?,
                "anyOf" | "oneOf" => {
                    let tried: Vec<_> = list().map(|each| self.matches(value, each, at)).collect();
                    if tried.iter().all(Result::is_err) {
                        return tried.into_iter().next().unwrap();
                    }
                }
                "enum" | "minimum" | "format" | "pattern" | "minLength" | "maxLength"
                | "description" | "examples" => {}
                other => panic!("the keyword {other} is not checked"),
            }
        }
        Ok(())
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not checked"),
    }
}
