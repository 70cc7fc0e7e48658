//! The contents of the security page.

use http::Method;
use serde_json::{Map, Value, json};

use crate::{error::AuthError, flow::pages::visit::Visit, mail::device_name};

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
pub(super) async fn load(visit: &Visit) -> Result<Map<String, Value>, AuthError> {
    let core = &visit.site.core;
    let account = visit.call_empty(Method::GET, "/account").await?.body;
    let mut values = Map::new();
    for (name, path, member) in LISTS {
        let list = match core.has_route(path) {
            true => visit.call_empty(Method::GET, path).await?.body.get(member).cloned(),
            false => None,
        };
        values.insert(name.to_owned(), list.map(readable).unwrap_or_default());
    }
    let languages = visit.site.pages.words().all();
    let languages = languages.map(|own| {
        let name = own.message("language-name", None);
        (own.tag.clone(), name.unwrap_or_else(|| own.tag.clone()))
    });
    let languages: Vec<_> = languages.collect();
    let tags = languages.iter().map(|(tag, _)| tag);
    values.insert("language_tags".to_owned(), tags.map(|tag| json!(tag)).collect());
    values.insert("languages".to_owned(), json!(languages));
    let providers = core.provider_views().into_iter();
    let providers = providers.map(|own| json!({ "id": own.id, "name": own.name }));
    values.insert("providers".to_owned(), providers.collect());
    let has = |path: &str| core.has_route(path);
    let offers = json!({
        "password": has("/password/change"),
        "email": has("/email/change"),
        "passkeys": has("/passkeys"),
        "totp": has("/totp"),
        "recovery_codes": has("/recovery-codes"),
        "identities": has("/identities"),
        "api_keys": has("/api-keys"),
        "recovery": has("/account/recovery"),
        "usernames": core.usernames.is_enabled(),
        "two_step": has("/totp") || has("/passkeys"),
    });
    values.insert("offers".to_owned(), offers);
    values.insert("account".to_owned(), account);
    Ok(values)
}

/// Adds the date of each time and the name of each device.
fn readable(list: Value) -> Value {
    let Value::Array(entries) = list else { return list };
    let entry = |entry: Value| {
        let Value::Object(mut entry) = entry else { return entry };
        for name in ["created_at", "last_used_at", "last_seen_at", "linked_at", "expires_at"] {
            let time = entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let date = time.split('T').next().unwrap_or_default().to_owned();
            entry.insert(format!("{name}_date"), json!(date));
        }
        if let Some(agent) = entry.get("user_agent") {
            let name = device_name(agent.as_str().unwrap_or_default());
            entry.insert("device".to_owned(), json!(name));
        }
        Value::Object(entry)
    };
    entries.into_iter().map(entry).collect()
}
