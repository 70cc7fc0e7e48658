//! The OpenAPI document of all flows.

use std::sync::Arc;

use utoipa::openapi::OpenApi as Document;

use crate::{
    contract::{self, Credentials, Described},
    model::Transport,
    services::{Core, OpenApiDocument},
};

/// Returns the document of the registered routes.
pub(super) fn document(
    core: &Arc<Core>,
    described: Vec<Described>,
    parts: Vec<Document>,
) -> OpenApiDocument {
    let has = |transport| core.sessions.options().resolve_transport(Some(transport)).is_ok();
    let names = [&core.cookies.access, &core.cookies.refresh, &core.cookies.pending];
    let credentials = Credentials {
        cookies: has(Transport::Cookie).then(|| names.map(Clone::clone)),
        has_bearer: has(Transport::Bearer),
    };
    let mount = core.mount.clone();
    OpenApiDocument::new(move || {
        let mut document = contract::document(&mount, &credentials, &described);
        for mut part in parts {
            part.servers = None;
            document.merge(part);
        }
        document
    })
}
