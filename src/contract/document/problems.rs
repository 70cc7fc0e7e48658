//! Problems of an operation: those of its own, and those that its extractors cause.

use std::collections::BTreeMap;

use axum::routing::MethodFilter;
use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, Header, Response, ResponseBuilder,
    example::ExampleBuilder,
    schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, Type},
};

use super::{
    super::{
        Access, BodyKind, Described, Extracted, Operation,
        operation::{Credential, ErrorBody, ErrorForm},
    },
    schemas::Schemas,
};
use crate::error::ErrorKind;

/// Returns the kinds of errors that an operation returns.
fn kinds(operation: &Operation, extracted: &Extracted, described: &Described) -> Vec<ErrorKind> {
    let mut kinds = operation.problems.to_vec();
    let is_safe = operation.method == MethodFilter::GET;
    if !is_safe && !described.from_elsewhere {
        kinds.push(ErrorKind::CrossOrigin);
    }
    let may_require = operation.credential == Credential::Challenge;
    if extracted.access >= Access::Session || may_require {
        kinds.extend([
            ErrorKind::Unauthenticated,
            ErrorKind::DeviceProofRequired,
            ErrorKind::DpopProofRefused,
            ErrorKind::Forbidden,
        ]);
    }
    let is_closed = extracted.has_rule || !(is_safe || extracted.admits_impersonations);
    if extracted.access >= Access::Session && is_closed {
        kinds.push(ErrorKind::Impersonating);
    }
    if extracted.access == Access::Fresh {
        kinds.push(ErrorKind::StepUpRequired);
    }
    if extracted.has_rule {
        kinds.extend([ErrorKind::StepUpRequired, ErrorKind::SetupRequired]);
    }
    let is_of_token =
        matches!(operation.credential, Credential::RefreshToken | Credential::AnyToken);
    if !is_safe && !is_of_token && operation.successes.iter().any(|own| own.sets_cookies) {
        // A proof that a client sends for the tokens of the response.
        kinds.push(ErrorKind::InvalidDpopProof);
    }
    if let Some(body) = extracted.body {
        kinds.extend([
            ErrorKind::PayloadTooLarge,
            ErrorKind::UnsupportedMediaType,
            ErrorKind::InvalidRequest,
        ]);
        if body.kind == BodyKind::Json {
            kinds.push(ErrorKind::InvalidMembers);
        }
        if body.members.iter().any(|own| own.name == "transport") {
            // Hooks of the application may reject a sign-in.
            kinds.extend([ErrorKind::TransportDisabled, ErrorKind::Forbidden]);
        }
    }
    if !operation.query.is_empty() {
        kinds.push(ErrorKind::InvalidRequest);
    }
    if extracted.has_path || described.parameter.is_some() {
        kinds.push(ErrorKind::NotFound);
    }
    if extracted.has_service || extracted.access >= Access::Session {
        kinds.extend([ErrorKind::Misconfigured, ErrorKind::Unavailable]);
    }
    kinds
}

/// Returns the problem responses of an operation, by status.
pub(super) fn responses(
    operation: &Operation,
    extracted: &Extracted,
    described: &Described,
    schemas: &mut Schemas,
) -> Vec<(u16, Response)> {
    if let ErrorForm::Codes(body, errors) = operation.errors {
        let written = errors.iter().map(|(status, codes)| (*status, of_code(body, *status, codes)));
        return written.collect();
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorKind>> = BTreeMap::new();
    for kind in kinds(operation, extracted, described) {
        let all = by_status.entry(kind.status().as_u16()).or_default();
        if !all.iter().any(|known| known.code() == kind.code()) {
            all.push(kind);
        }
    }
    let written = by_status.into_iter().map(|(status, mut kinds)| {
        kinds.sort_by_key(|kind| kind.code());
        let written = match operation.errors {
            ErrorForm::Header if status != 404 => in_header(status, &kinds),
            _ => response(status, &kinds, schemas),
        };
        (status, written)
    });
    written.collect()
}

/// Returns the response for an error that is an object with a code.
fn of_code(body: ErrorBody, status: u16, codes: &[&str]) -> Response {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let mut schema = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(body.code, text().enum_values(Some(codes.iter().copied())))
        .required(body.code);
    let mut example = json!({ body.code: codes.first() });
    if body.is_described {
        schema = schema.property("description", text()).required("description");
        example = json!({ body.code: codes.first(), "description": "The request is malformed." });
    }
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example));
    let response =
        ResponseBuilder::new().description(body.about).content("application/json", content.build());
    with_headers(response, status).build()
}

/// Returns the response for an error without a body.
fn in_header(status: u16, kinds: &[ErrorKind]) -> Response {
    let codes = kinds.iter().map(|kind| kind.code());
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
    let titles: Vec<_> = kinds.iter().map(|kind| format!("{}.", kind.title())).collect();
    let response = ResponseBuilder::new().description(titles.join(" "));
    with_headers(response.header("X-Auth-Error", Header::new(code)), status).build()
}

/// Adds the headers that every error of a status has.
fn with_headers(response: ResponseBuilder, status: u16) -> ResponseBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let seconds = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    match status {
        401 => response.header("WWW-Authenticate", Header::new(text())),
        429 | 503 => response.header("Retry-After", Header::new(seconds())),
        _ => response,
    }
}

fn response(status: u16, kinds: &[ErrorKind], schemas: &mut Schemas) -> Response {
    let codes = kinds.iter().map(|kind| kind.code());
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
    let number = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([status]));
    let own = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("code", code)
        .property("status", number)
        .required("code")
        .required("status");
    let schema = AllOfBuilder::new().item(schemas.named("Problem", problem)).item(own);
    let examples = kinds.iter().map(|kind| {
        let value = example(*kind);
        (kind.code(), ExampleBuilder::new().summary(kind.title()).value(Some(value)).build())
    });
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples);
    let titles: Vec<_> = kinds.iter().map(|kind| format!("{}.", kind.title())).collect();
    let response = ResponseBuilder::new()
        .description(titles.join(" "))
        .content("application/problem+json", content.build());
    with_headers(response, status).build()
}

/// Returns the schema of all problems, with the members that some kinds add.
fn problem(_: &mut Schemas) -> ObjectBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let texts = || ArrayBuilder::new().items(text());
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("type", text())
        .property("title", text())
        .property("status", number())
        .property("code", text())
        .property("detail", text())
        .property("members", texts())
        .property("methods", texts())
        .property("missing", texts())
        .property("reasons", texts())
        .property("setup", texts())
        .property("required", ObjectBuilder::new().schema_type(Type::Object))
        .property("min_length", number())
        .property("retry_after", number())
        .property("address", text())
        .property("operation", text())
        .required("type")
        .required("title")
        .required("status")
        .required("code")
}

fn example(kind: ErrorKind) -> Value {
    json!({
        "type": format!("urn:authlayer:error:{}", kind.code()),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "code": kind.code(),
    })
}
