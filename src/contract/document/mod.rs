//! The OpenAPI document of the registered routes.

mod operations;
mod problems;
mod schemas;
mod security;

use std::collections::BTreeMap;

use utoipa::openapi::{
    Info, OpenApi, OpenApiBuilder, Paths, Server,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};

use self::schemas::Schemas;
pub(crate) use self::security::Credentials;
use super::{Described, Extracted, Operation, operation::Credential};

/// An operation of a path.
struct PathOperation<'a> {
    operation: &'a Operation,
    extracted: &'a Extracted,
    route: &'a Described,
    /// The values of a parameter, if each has a route of its own.
    values: Vec<&'a str>,
}

/// Returns the document of routes that are mounted at a path.
pub(crate) fn document(mount: &str, own: &Credentials, described: &[Described]) -> OpenApi {
    let mut schemas = Schemas::default();
    let mut paths = Paths::new();
    for (path, operations) in by_path(described) {
        for PathOperation { operation, extracted, route, values } in operations {
            let written = operations::write(operation, extracted, route, own, &mut schemas);
            let written = written.parameters(Some(parameters(&path, &values)));
            let item = paths.paths.entry(path.clone()).or_default();
            *operations::slot(item, operation) = Some(written.build());
        }
    }
    let mut all = described.iter().flat_map(|route| &route.operations);
    let has_services = all.any(|(operation, _)| operation.credential == Credential::Basic);
    let components = security::schemes(own, has_services, schemas.finish());
    let server = if mount.is_empty() { "/" } else { mount };
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([Server::new(server)]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// Groups operations by path. Routes of several values of a parameter have one path.
fn by_path(described: &[Described]) -> BTreeMap<String, Vec<PathOperation<'_>>> {
    let mut paths: BTreeMap<String, Vec<PathOperation<'_>>> = BTreeMap::new();
    for route in described.iter().filter(|route| !route.operations.is_empty()) {
        let path = match &route.parameter {
            Some((name, value)) => template(&route.path, name, value),
            None => route.path.clone(),
        };
        let value = route.parameter.as_ref().map(|(_, value)| value.as_str());
        let known = paths.entry(path).or_default();
        for (operation, extracted) in &route.operations {
            match known.iter_mut().find(|known| known.operation.id == operation.id) {
                Some(known) => known.values.extend(value),
                None => known.push(PathOperation {
                    operation,
                    extracted,
                    route,
                    values: Vec::from_iter(value),
                }),
            }
        }
    }
    paths
}

/// Replaces the segment with a value, which is not the first one, by a parameter.
fn template(path: &str, name: &str, value: &str) -> String {
    let mut segments: Vec<_> = path.split('/').map(ToOwned::to_owned).collect();
    let own = segments.iter_mut().skip(2).find(|segment| *segment == value);
    if let Some(segment) = own {
        *segment = format!("{{{name}}}");
    }
    segments.join("/")
}

fn parameters(path: &str, values: &[&str]) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let schema = match values {
            [] => schema.min_length(Some(1)).examples([schemas::path_example(name)]),
            values => schema.enum_values(Some(values.to_vec())),
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(utoipa::openapi::Required::True)
            .schema(Some(schema))
            .build()
    };
    names.map(parameter).collect()
}

fn info() -> Info {
    let mut info = Info::new("Authentication", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "The routes of authlayer. Errors are problem documents (RFC 9457) with a stable `code`. \
         Clients must ignore members that they do not know."
            .to_owned(),
    );
    info
}
