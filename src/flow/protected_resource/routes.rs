//! `GET /.well-known/oauth-protected-resource…`.

use axum::{Json, routing::get};

use super::ProtectedResourceService;
use crate::registry::Registry;

pub(super) fn register(registry: &mut Registry, name: &str, service: &ProtectedResourceService) {
    let document = service.document().clone();
    registry.well_known(name, get(async move || Json(document)));
}
