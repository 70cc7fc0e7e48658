//! Registration of the device authorization grant.

use super::{DeviceGrant, DeviceGrantService, decisions, routes};
use crate::{
    config::ConfigError, flow::Flow, model::Transport, origin::Origins, registry::Registry,
    services::Programs, store::ChallengeKind,
};

/// The maximum length of the name of a client, in characters.
const MAX_NAME_LEN: usize = 64;

impl Flow for DeviceGrant {
    type Service = DeviceGrantService;

    fn name(&self) -> &str {
        "device_grant"
    }

    fn register(self, registry: &mut Registry) -> Result<DeviceGrantService, ConfigError> {
        let core = registry.core();
        let refused = |problem: String| Err(ConfigError::flow("device_grant", problem));
        if let Some(problem) = problem_of(&self.clients) {
            return refused(problem);
        }
        if core.sessions.options().resolve_transport(Some(Transport::Bearer)).is_err() {
            return refused(
                "programs need bearer tokens: the session option `mode` must be `Both` or `Bearer`"
                    .to_owned(),
            );
        }
        match &self.verification_uri {
            Some(uri) if !is_page(uri) => {
                return refused(format!(
                    "verification_uri {uri:?} must be an https URL, or http on loopback, without \
                     fragment"
                ));
            }
            Some(_) => {}
            None => {
                registry.requires_pages(
                    "needs a page for the code: add .verification_uri(\"https://…\"), or the flow \
                     `Pages`",
                );
            }
        }
        registry.offer(Programs(self.clients.iter().map(|(id, _)| id.clone()).collect()));
        registry.ends_with_sessions(ChallengeKind::UserCode);
        registry.ends_with_sessions(ChallengeKind::DeviceApproval);
        let service = DeviceGrantService::new(core, self.clients, self.verification_uri);
        routes::register(registry, &service);
        decisions::register(registry, &service);
        Ok(service)
    }
}

/// Returns what is wrong with the clients.
fn problem_of(clients: &[(String, String)]) -> Option<String> {
    if clients.is_empty() {
        return Some("a program must be allowed with .client(id, name)".to_owned());
    }
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if let Some((id, _)) = clients.iter().find(|(id, _)| !is_id(id)) {
        return Some(format!("the client id {id:?} must be printable ASCII"));
    }
    let is_name = |name: &str| {
        !name.trim().is_empty()
            && name.chars().nth(MAX_NAME_LEN).is_none()
            && !name.chars().any(char::is_control)
    };
    if let Some((id, name)) = clients.iter().find(|(_, name)| !is_name(name)) {
        return Some(format!(
            "the name {name:?} of the client {id:?} must be 1 to {MAX_NAME_LEN} printable characters"
        ));
    }
    let mut ids: Vec<_> = clients.iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    (ids.len() < clients.len()).then(|| "two clients have one id".to_owned())
}

/// Returns whether a URL can be that of the page.
fn is_page(uri: &str) -> bool {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let end = uri.get(start..).and_then(|rest| rest.find(['/', '?'])).map(|at| start + at);
    let (origin, rest) = uri.split_at_checked(end.unwrap_or(uri.len())).unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"#\\\"<>".contains(&b);
    Origins::parse([origin]).is_ok() && rest.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_page;

    #[test]
    fn page_is_a_secure_url() {
        for (uri, is_valid) in [
            ("https://app.example.com/device", true),
            ("https://app.example.com/device?tenant=acme", true),
            ("https://app.example.com", true),
            ("http://localhost:3000/device", true),
            ("http://app.example.com/device", false),
            ("https://app.example.com/device#code", false),
            ("https://me@app.example.com/device", false),
            ("https://app.example.com/a b", false),
            ("/device", false),
            ("", false),
        ] {
            assert_eq!(is_page(uri), is_valid, "{uri}");
        }
    }
}
