//! Checks that `webauthn-rs` 0.6.2 leaves to its caller.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_cbor_2::Value as Cbor;
use serde_json::{Map, Value};

use super::origins::PasskeyOrigins;

const LONGEST_ID: usize = 1023;
const USER_VERIFIED: u8 = 0x04;
const PRESENT: u8 = 0x01;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;
/// The hash of the relying party, the flags, and the counter.
const HEAD: usize = 37;
const AAGUID: usize = 16;
/// The names in WebAuthn Level 3 §5.8.4 are shorter.
const LONGEST_TRANSPORT: usize = 32;
/// The maximum number of transports that are stored.
const MOST_TRANSPORTS: usize = 64;

/// The data of a new credential, without its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) id: Vec<u8>,
    pub(super) aaguid: String,
    pub(super) transports: Vec<String>,
    pub(super) user_verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
}

/// The data of an assertion, without its signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asserted {
    pub(super) id: Vec<u8>,
    pub(super) user_handle: Option<Vec<u8>>,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
}

/// Checks the response of a registration (WebAuthn Level 3 §7.1).
pub(super) fn made(credential: &Value, origins: &PasskeyOrigins) -> Result<Made, &'static str> {
    let (id, response) = frame(credential, "webauthn.create", origins)?;
    let object = bytes(response, "attestationObject")?;
    let Ok(Cbor::Map(object)) = serde_cbor_2::from_slice(&object) else {
        return Err("the attestation object is no map");
    };
    let member = |name: &str| object.get(&Cbor::Text(name.to_owned()));
    let (Some(Cbor::Text(format)), Some(Cbor::Map(statement))) = (member("fmt"), member("attStmt"))
    else {
        return Err("the attestation has no format or statement");
    };
    if format == "none" && !statement.is_empty() {
        return Err("an attestation of none has a statement");
    }
    let Some(Cbor::Bytes(data)) = member("authData") else { return Err("no authenticator data") };
    let (head, rest) = data.split_at_checked(HEAD).ok_or("authenticator data is too short")?;
    let flags = *head.get(32).ok_or("no flags")?;
    if flags & HAS_CREDENTIAL == 0 {
        return Err("no credential was made");
    }
    let (aaguid, rest) = rest.split_at_checked(AAGUID).ok_or("no AAGUID")?;
    let (length, rest) = rest.split_at_checked(2).ok_or("no length")?;
    let length = length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let (own, rest) = rest.split_at_checked(length).ok_or("the id is cut")?;
    if own != id || length == 0 || length > LONGEST_ID {
        return Err("the id is not the one that was made, or too long");
    }
    whole(rest, 1 + usize::from(flags & HAS_EXTENSIONS != 0))?;
    let aaguid = uuid::Uuid::from_slice(aaguid).map_err(|_| "no AAGUID")?;
    Ok(Made {
        id,
        aaguid: aaguid.to_string(),
        transports: transports(response)?,
        user_verified: flags & USER_VERIFIED != 0,
        backup_eligible: flags & BACKUP_ELIGIBLE != 0,
        backed_up: flags & BACKED_UP != 0,
    })
}

/// Checks the response of an authentication (WebAuthn Level 3 §7.2).
pub(super) fn asserted(
    credential: &Value,
    origins: &PasskeyOrigins,
) -> Result<Asserted, &'static str> {
    let (id, response) = frame(credential, "webauthn.get", origins)?;
    let data = bytes(response, "authenticatorData")?;
    let (head, rest) = data.split_at_checked(HEAD).ok_or("authenticator data is too short")?;
    let flags = *head.get(32).ok_or("no flags")?;
    if flags & HAS_CREDENTIAL != 0 {
        return Err("an assertion makes no credential");
    }
    whole(rest, usize::from(flags & HAS_EXTENSIONS != 0))?;
    bytes(response, "signature")?;
    let user_handle = match response.get("userHandle") {
        None | Some(Value::Null) => None,
        // A user handle has at least one byte (§5.4.3); some clients send an empty one instead of
        // none.
        Some(_) => Some(bytes(response, "userHandle")?).filter(|handle| !handle.is_empty()),
    };
    Ok(Asserted {
        id,
        user_handle,
        backup_eligible: flags & BACKUP_ELIGIBLE != 0,
        backed_up: flags & BACKED_UP != 0,
    })
}

/// Returns the credential in the form that `webauthn-rs` accepts: without members that are hints,
/// without null where an object is expected, and without outputs of extensions, none of which is
/// used.
pub(super) fn plain(credential: &Value) -> Value {
    let mut plain = credential.clone();
    if let Some(members) = plain.as_object_mut() {
        members.retain(|_, value| !value.is_null());
        if let Some(Value::Object(outputs)) = members.get_mut("clientExtensionResults") {
            outputs.clear();
        }
        if let Some(response) = members.get_mut("response").and_then(Value::as_object_mut) {
            response.remove("transports");
        }
    }
    plain
}

/// Returns the response of a conditional registration as if the user had been present, which is
/// not required of it (WebAuthn Level 3 §7.1 step 15) but by `webauthn-rs`. Only the attestation
/// `none` is changed: it has no signature, so its flags are a claim of the client in any case.
pub(super) fn with_presence(mut credential: Value) -> Value {
    if let Some(Value::String(text)) = credential.pointer_mut("/response/attestationObject")
        && let Some(object) = present(text)
    {
        *text = object;
    }
    credential
}

fn present(text: &str) -> Option<String> {
    let object = URL_SAFE_NO_PAD.decode(text).ok()?;
    let Ok(Cbor::Map(mut object)) = serde_cbor_2::from_slice(&object) else { return None };
    let format = object.get(&Cbor::Text("fmt".to_owned()))?;
    if *format != Cbor::Text("none".to_owned()) {
        return None;
    }
    let Some(Cbor::Bytes(data)) = object.get_mut(&Cbor::Text("authData".to_owned())) else {
        return None;
    };
    *data.get_mut(32)? |= PRESENT;
    serde_cbor_2::to_vec(&Cbor::Map(object)).ok().map(|object| URL_SAFE_NO_PAD.encode(object))
}

/// Checks id, type and client data, which are common to both ceremonies.
fn frame<'a>(
    credential: &'a Value,
    kind: &str,
    origins: &PasskeyOrigins,
) -> Result<(Vec<u8>, &'a Map<String, Value>), &'static str> {
    let credential = credential.as_object().ok_or("no object")?;
    if credential.get("type").and_then(Value::as_str) != Some("public-key") {
        return Err("no public key");
    }
    let (id, raw_id) = (bytes(credential, "id")?, bytes(credential, "rawId")?);
    if id != raw_id || id.is_empty() || id.len() > LONGEST_ID {
        return Err("id and rawId are not one good id");
    }
    let response = credential.get("response").and_then(Value::as_object).ok_or("no response")?;
    let client: Map<String, Value> = serde_json::from_slice(&bytes(response, "clientDataJSON")?)
        .map_err(|_| "client data is no object in UTF-8")?;
    if client.get("type").and_then(Value::as_str) != Some(kind) {
        return Err("client data is of another ceremony");
    }
    let origin = client.get("origin").and_then(Value::as_str).ok_or("client data has no origin")?;
    if !origins.contains(origin) {
        return Err("client data is of another origin");
    }
    match client.get("crossOrigin") {
        None | Some(Value::Bool(false)) => {}
        Some(_) => return Err("from a frame of another origin"),
    }
    if client.contains_key("topOrigin") {
        return Err("from a frame of another origin");
    }
    if client.get("tokenBinding").is_some_and(|binding| !binding.is_object()) {
        return Err("token binding is no object");
    }
    Ok((id, response))
}

/// Decodes unpadded base64url.
fn bytes(object: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = object.get(name).and_then(Value::as_str).ok_or("a member is missing or no text")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a member is no base64url")
}

/// Returns the transports to store. Since they are hints, a list of any length and with any names
/// is accepted (WebAuthn Level 3 §5.2.1.1).
fn transports(response: &Map<String, Value>) -> Result<Vec<String>, &'static str> {
    let all = match response.get("transports") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(all) => all.as_array().ok_or("transports are no list")?,
    };
    let mut kept: Vec<String> = Vec::new();
    for name in all.iter().filter_map(Value::as_str) {
        let fits = (1..=LONGEST_TRANSPORT).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        if fits && kept.len() < MOST_TRANSPORTS && !kept.iter().any(|own| own == name) {
            kept.push(name.to_owned());
        }
    }
    Ok(kept)
}

/// Checks that the rest consists of exactly this number of CBOR items.
fn whole(rest: &[u8], items: usize) -> Result<(), &'static str> {
    let mut reader = serde_cbor_2::Deserializer::from_slice(rest).into_iter::<Cbor>();
    for _ in 0..items {
        match reader.next() {
            Some(Ok(_)) => {}
            _ => return Err("authenticator data is cut"),
        }
    }
    if reader.byte_offset() == rest.len() { Ok(()) } else { Err("bytes are left over") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;
    use webauthn_rs::prelude::{
        Passkey, PasskeyAuthentication, PasskeyRegistration, Url, Webauthn, WebauthnBuilder,
    };

    use super::*;

    /// Test vectors of WebAuthn Level 3 §16, in hexadecimal.
    const VECTORS: &str = include_str!("../../../tests/vectors/webauthn-level-3.json");

    fn bytes_of(vector: &Value, path: &[&str]) -> String {
        let hex = path.iter().fold(vector, |at, name| &at[*name]).as_str().unwrap();
        let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        URL_SAFE_NO_PAD.encode(pairs.map(Result::unwrap).collect::<Vec<_>>())
    }

    fn ceremonies() -> Webauthn {
        let origin = Url::parse("https://example.org").unwrap();
        WebauthnBuilder::new("example.org", &origin).unwrap().build().unwrap()
    }

    fn origins() -> PasskeyOrigins {
        vec!["https://example.org".to_owned()].into()
    }

    /// Returns a state with the challenge of a vector. Some vectors have no user verification.
    fn with_challenge(mut state: Value, inner: &str, challenge: &str, policy: &str) -> Value {
        state[inner]["challenge"] = json!(challenge);
        state[inner]["policy"] = json!(policy);
        state
    }

    fn made_by(vector: &Value, policy: &str) -> Result<Passkey, String> {
        let answer = json!({
            "id": bytes_of(vector, &["id"]),
            "rawId": bytes_of(vector, &["id"]),
            "type": "public-key",
            "response": {
                "clientDataJSON": bytes_of(vector, &["create", "clientDataJSON"]),
                "attestationObject": bytes_of(vector, &["create", "attestationObject"]),
            },
        });
        made(&answer, &origins()).map_err(str::to_owned)?;
        let webauthn = ceremonies();
        let begun = webauthn.start_passkey_registration(Uuid::nil(), "a", "a", None).unwrap();
        let challenge = bytes_of(vector, &["create", "challenge"]);
        let state = with_challenge(json!(begun.1), "rs", &challenge, policy);
        let state: PasskeyRegistration = serde_json::from_value(state).unwrap();
        let answer = serde_json::from_value(answer).map_err(|error| error.to_string())?;
        webauthn.finish_passkey_registration(&answer, &state).map_err(|error| format!("{error:?}"))
    }

    fn asserted_by(vector: &Value, passkey: &Passkey, policy: &str) -> Result<(), String> {
        let answer = json!({
            "id": bytes_of(vector, &["id"]),
            "rawId": bytes_of(vector, &["id"]),
            "type": "public-key",
            "response": {
                "clientDataJSON": bytes_of(vector, &["get", "clientDataJSON"]),
                "authenticatorData": bytes_of(vector, &["get", "authenticatorData"]),
                "signature": bytes_of(vector, &["get", "signature"]),
            },
        });
        asserted(&answer, &origins()).map_err(str::to_owned)?;
        let webauthn = ceremonies();
        let begun = webauthn.start_passkey_authentication(std::slice::from_ref(passkey)).unwrap();
        let challenge = bytes_of(vector, &["get", "challenge"]);
        let state = with_challenge(json!(begun.1), "ast", &challenge, policy);
        let state: PasskeyAuthentication = serde_json::from_value(state).unwrap();
        let answer = serde_json::from_value(answer).map_err(|error| error.to_string())?;
        let result = webauthn.finish_passkey_authentication(&answer, &state);
        result.map(drop).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn test_vectors_are_accepted_or_rejected_with_their_reason() {
        // PK-06, PK-08, PK-10, PK-12, PK-18. `webauthn-rs` 0.6.2 rejects what it does not support:
        // other algorithms, an RSA modulus of other than 2048 bits, and two attestation formats.
        let frame = "from a frame of another origin";
        let expected = [
            ("none-es256", "", ""),
            ("packed-self-es256", "", "UserNotVerified"),
            ("none-es256-crossOrigin", frame, ""),
            ("none-es256-topOrigin", frame, ""),
            ("none-es256-long-credential-id", "", ""),
            ("packed-es256", "", ""),
            ("packed-es384", "", ""),
            ("packed-es512", "CredentialAlteredAlgFromRequest", ""),
            ("packed-rs256", "COSEKeyRSANEInvalid", ""),
            ("packed-eddsa", "SshPublicKeyEDUnsupported", ""),
            ("packed-ed448", "COSEKeyInvalidAlgorithm", ""),
            ("tpm-es256", "COSEKeyInvalidType", ""),
            ("android-key-es256", "AttestationStatementX5CInvalid", ""),
            ("apple-es256", "", ""),
            ("fido-u2f-es256", "", ""),
        ];
        let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
        assert_eq!(vectors.len(), expected.len());
        for (vector, (name, refused, refused_later)) in vectors.iter().zip(expected) {
            assert_eq!(vector["name"], name);
            let made = made_by(vector, "preferred");
            assert_eq!(made.as_ref().err().map_or("", |why| why), refused, "{name}");
            let Ok(passkey) = made else { continue };
            let later = asserted_by(vector, &passkey, "preferred").err().unwrap_or_default();
            assert_eq!(later, refused_later, "{name}");
            let other = vectors.iter().find(|other| other["name"] != name).unwrap();
            assert!(asserted_by(other, &passkey, "preferred").is_err(), "{name}: another's answer");
        }
        let unverified = made_by(&vectors[0], "required");
        assert_eq!(unverified.err().as_deref(), Some("UserNotVerified"));
    }
}
