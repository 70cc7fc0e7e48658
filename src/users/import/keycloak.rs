//! Keycloak: the array `users` in the export of a realm.

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use data_encoding::BASE32_NOPAD;

use super::{
    draft::{COLUMNS, Columns, Draft, quoted},
    row::Row,
};

const OWN: Columns = Columns {
    verified: &["emailVerified"],
    verified_at: &[],
    name: &[],
    hash: &[],
    roles: "realmRoles",
    created_at: &["createdTimestamp"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    if let Some(client) = row.text(&["serviceAccountClientId"]) {
        return Err(format!("the service account of the client {}", quoted(&client)));
    }
    let mut draft = Draft::read(row, &OWN)?.without_email_as_username();
    let names = [row.text(&["firstName"]), row.text(&["lastName"])];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    draft.display_name = Some(name).filter(|own| !own.is_empty());
    draft.is_disabled = row.flag(&["enabled"]) == Some(false);
    // Roles that Keycloak gives to every user.
    draft.roles.retain(|role| {
        !role.starts_with("default-roles-")
            && !matches!(role.as_str(), "offline_access" | "uma_authorization")
    });
    draft.user_metadata = row.object("attributes").into_members();
    for credential in row.rows("credentials") {
        let kind = credential.text(&["type"]).unwrap_or_default();
        let secret = credential.object("secretData");
        let data = credential.object("credentialData");
        match kind.as_str() {
            "password" => match hash(&secret, &data) {
                Some(text) => draft.hash = Some(text),
                None => {
                    let algorithm = data.text(&["algorithm"]).unwrap_or_default();
                    draft.omit(format!("a password hash of {}", quoted(&algorithm)));
                }
            },
            "otp" => app(&mut draft, credential.text(&["userLabel"]), &secret, &data),
            _ => draft.omit(format!("a credential of the kind {}", quoted(&kind))),
        }
    }
    for identity in row.rows("federatedIdentities") {
        let provider = identity.text(&["identityProvider"]).unwrap_or_default();
        draft.link(&provider, identity.text(&["userId"]), &identity);
    }
    Ok(draft)
}

/// Returns the hash in the format of PHC strings.
fn hash(secret: &Row, data: &Row) -> Option<String> {
    let encoded =
        |name: &str| Some(STANDARD_NO_PAD.encode(STANDARD.decode(secret.text(&[name])?).ok()?));
    let (salt, value) = (encoded("salt")?, encoded("value")?);
    let rounds = data.text(&["hashIterations"]).unwrap_or_default();
    let more = data.object("additionalParameters");
    let parameter = |name: &str| {
        let own = more.get(&[name]).cloned().unwrap_or_default();
        own.get(0).unwrap_or(&own).as_str().map(str::to_owned)
    };
    match data.text(&["algorithm"])?.as_str() {
        "pbkdf2" => Some(format!("$pbkdf2${rounds}${salt}${value}")),
        "pbkdf2-sha256" => Some(format!("$pbkdf2-sha256$i={rounds},l=0${salt}${value}")),
        "pbkdf2-sha512" => Some(format!("$pbkdf2-sha512${rounds}${salt}${value}")),
        "argon2" if parameter("version").as_deref() == Some("1.3") => {
            let (kind, m, p) =
                (parameter("type")?, parameter("memory")?, parameter("parallelism")?);
            let kind = matches!(kind.as_str(), "id" | "i" | "d").then_some(kind)?;
            Some(format!("$argon2{kind}$v=19$m={m},t={rounds},p={p}${salt}${value}"))
        }
        _ => None,
    }
}

fn app(draft: &mut Draft, name: Option<String>, secret: &Row, data: &Row) {
    let is = |member: &str, usual: &str| data.text(&[member]).is_none_or(|own| own == usual);
    let is_usual = is("subType", "totp") && is("digits", "6") && is("period", "30");
    match secret.text(&["value"]) {
        Some(value) if is_usual && is("algorithm", "HmacSHA1") => {
            match data.text(&["secretEncoding"]).as_deref() {
                Some("BASE32") => draft.add_app(name, &value),
                _ => draft.add_app(name, &BASE32_NOPAD.encode(value.as_bytes())),
            }
        }
        _ => draft.omit("an authenticator app other than SHA-1, six digits and 30 seconds"),
    }
}
