//! `GET /openapi.json`.

use axum::{body::Bytes, extract::State};
use http::{HeaderName, HeaderValue, header};

use super::OpenApiService;
use crate::{
    contract::{Operation, Schema, Success},
    registry::Registry,
};

const JSON: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

pub(super) fn register(registry: &mut Registry, service: &OpenApiService) {
    registry.own_routes(service, [("/openapi.json", GET_DOCUMENT.to(document))]);
}

const GET_DOCUMENT: Operation = Operation::get("getOpenApi", "Returns this document")
    .returns(&[Success::json(200, "The document.", Schema::Map(r#"{"openapi": "3.1.0"}"#))]);

async fn document(
    State(service): State<OpenApiService>,
) -> ([(HeaderName, HeaderValue); 1], Bytes) {
    ([JSON], Bytes::from_owner(service.core.openapi_json()))
}
