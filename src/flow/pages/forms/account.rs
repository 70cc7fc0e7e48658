//! The contents of the security page.

use http::Method;
use serde_json::json;

use super::admin;
use crate::{
    error::AuthError,
    flow::pages::{
        mails::device_name,
        values::{Values, entries, view},
        visit::Visit,
    },
};

/// The lists of the page: name, route, and the member of its response.
const LISTS: [(&str, &str, &str); 6] = [
    ("sessions", "/sessions", "sessions"),
    ("passkeys", "/passkeys", "passkeys"),
    ("totp", "/totp", "totp"),
    ("identities", "/identities", "identities"),
    ("api_keys", "/api-keys", "api_keys"),
    ("devices", "/devices", "devices"),
];

/// Returns the account of the session, with everything that the page shows.
pub(super) async fn load(visit: &Visit) -> Result<Values, AuthError> {
    let core = &visit.site.core;
    let account = visit.call_empty(Method::GET, "/account").await?.body;
    let mut values = Values::new();
    for (name, path, member) in LISTS {
        let list = match core.has_route(path) {
            true => {
                visit.call_empty(Method::GET, path).await?.body.get_mut(member).map(std::mem::take)
            }
            false => None,
        };
        let device = |agent: &str| device_name(agent, &visit.language);
        values.insert(name, entries(list.unwrap_or_default(), device));
    }
    let providers = core.provider_views().into_iter();
    let providers = providers.map(|own| json!({ "id": own.id, "name": own.name }));
    values.insert("providers", view(providers.collect()));
    values.insert("offers", visit.site.offers.sections.clone());
    values.insert("is_administrator", admin::is_administrator(visit).await.into());
    values.insert("account", view(account));
    Ok(values)
}
