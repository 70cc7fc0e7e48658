//! Metadata of a protected resource (RFC 9728): clients such as those of the Model Context Protocol
//! learn from it where to get an access token.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`authorization_server`](ProtectedResource::authorization_server) | none; at least one is required | the issuers of the access tokens |
//!
//! | route | response |
//! |---|---|
//! | `GET /.well-known/oauth-protected-resource<path of the resource>`, at the root of the host | 200: the metadata |
//!
//! With this flow, the 401 of a guard has the URL of the metadata as `resource_metadata` in
//! `WWW-Authenticate` (RFC 9728 §5.1).

mod routes;
mod service;

use self::service::Document;
pub use service::ProtectedResourceService;

use super::Flow;
use crate::{config::ConfigError, origin::Origins, registry::Registry, services::ResourceMetadata};

/// The path of the metadata, before the path of the resource (RFC 9728 §3.1).
const WELL_KNOWN: &str = "oauth-protected-resource";

/// The options of a protected resource.
///
/// ```
/// use authlayer::{AuthBuilder, ProtectedResource};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(
///     ProtectedResource::new("https://api.example.com/mcp")
///         .authorization_server("https://app.example.com"),
/// )
/// # }
/// ```
///
/// Merge [`Auth::well_known`](crate::Auth::well_known) into the root of the host.
#[derive(Clone, Debug)]
#[must_use]
pub struct ProtectedResource {
    resource: String,
    authorization_servers: Vec<String>,
}

impl ProtectedResource {
    /// Creates the flow for a resource: its URL, without query and fragment.
    ///
    /// ```
    /// # use authlayer::ProtectedResource;
    /// ProtectedResource::new("https://api.example.com/mcp");
    /// ```
    pub fn new(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), authorization_servers: Vec::new() }
    }

    /// Adds the issuer of an authorization server (RFC 8414 §2), such as an origin of this
    /// application.
    ///
    /// ```
    /// # use authlayer::ProtectedResource;
    /// ProtectedResource::new("https://api.example.com").authorization_server("https://example.com");
    /// ```
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.authorization_servers.push(issuer.into());
        self
    }
}

impl Flow for ProtectedResource {
    type Service = ProtectedResourceService;

    fn name(&self) -> &str {
        "protected_resource"
    }

    fn register(self, registry: &mut Registry) -> Result<ProtectedResourceService, ConfigError> {
        let refused = |problem: String| ConfigError::flow("protected_resource", problem);
        if self.authorization_servers.is_empty() {
            return Err(refused("name an .authorization_server(…)".to_owned()));
        }
        let wrong = |url: &&String| split(url).is_none();
        let all = [&self.resource].into_iter().chain(&self.authorization_servers);
        if let Some(url) = { all }.find(wrong) {
            return Err(refused(format!(
                "{url:?} must be an https URL, or http on loopback, without query and fragment"
            )));
        }
        let Self { resource, authorization_servers } = self;
        let (origin, path) = split(&resource).unwrap_or_default();
        let name = format!("{WELL_KNOWN}{}", path.trim_end_matches('/'));
        registry.offer(ResourceMetadata(format!("{origin}/.well-known/{name}")));
        let document = Document::new(resource, authorization_servers);
        let service = ProtectedResourceService::new(document);
        routes::register(registry, &name, &service);
        Ok(service)
    }
}

/// Returns origin and path of a URL, if it is allowed. The path is a route, so no segment of it may
/// be a parameter.
fn split(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let end = url.get(start..)?.find('/').map_or(url.len(), |at| start + at);
    let (origin, path) = url.split_at_checked(end)?;
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"?#\\@\"{}".contains(&b);
    let is_route = !path.split('/').any(|segment| segment.starts_with([':', '*']));
    let is_allowed = path.bytes().all(is_plain) && is_route && Origins::parse([origin]).is_ok();
    is_allowed.then_some((origin, path))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn resources_are_secure_urls_without_query() {
        for (url, parts) in [
            ("https://api.example.com/mcp", Some(("https://api.example.com", "/mcp"))),
            ("https://api.example.com", Some(("https://api.example.com", ""))),
            ("http://localhost:3000/a/b", Some(("http://localhost:3000", "/a/b"))),
            ("http://api.example.com/mcp", None),
            ("https://api.example.com/mcp?x=1", None),
            ("https://api.example.com/mcp#x", None),
            ("https://me@api.example.com/mcp", None),
            ("https:///mcp", None),
            ("https://api.example.com/{id}", None),
            ("https://api.example.com/a b", None),
            ("https://api.example.com/:id", None),
            ("https://api.example.com/a/*rest", None),
            ("/mcp", None),
        ] {
            assert_eq!(split(url), parts, "{url}");
        }
    }
}
