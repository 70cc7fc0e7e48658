//! The data of an account and its passkeys in the options of a ceremony.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use webauthn_rs::prelude::WebauthnError;

use super::{service::Kept, verification::unprotected};
use crate::{error::AuthError, model::UserId, store::Credential};

const DOMAIN: &str = "authlayer passkey user handle\0";

/// Returns the user handle of an account: that of its passkeys, or else the derived one.
pub(super) fn handle(user: &UserId, own: &[(Credential, Kept)]) -> Uuid {
    own.first().map_or_else(|| derived(user), |(_, kept)| kept.handle)
}

/// Returns the user handle derived from a user id, so that ceremonies agree before a passkey is
/// stored. It does not contain the id (WebAuthn Level 3 §14.6.1).
pub(super) fn derived(user: &UserId) -> Uuid {
    let hash = Sha256::new().chain_update(DOMAIN).chain_update(user.as_str()).finalize();
    let hash: [u8; 32] = hash.into();
    let (halves, _) = hash.as_chunks::<16>();
    let half = halves.first().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(half).into_uuid()
}

/// Adds the stored transports to the credentials in a list of the options.
pub(super) fn hint(options: &mut Value, list: &str, own: &[(Credential, Kept)]) {
    let named = options.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
    for named in named.filter_map(Value::as_object_mut) {
        named.remove("transports");
        let id = named.get("id").and_then(Value::as_str);
        let kept = own.iter().find(|(own, _)| Some(own.lookup.as_str()) == id);
        if let Some((_, kept)) = kept.filter(|(_, kept)| !kept.transports.is_empty()) {
            named.insert("transports".to_owned(), json!(kept.transports));
        }
    }
}

/// Adds a detail if the library does not support the key or the attestation of an authenticator.
pub(super) fn explained(refusal: AuthError, error: &WebauthnError) -> AuthError {
    use WebauthnError as Error;
    match error {
        Error::AttestationNotSupported
        | Error::AttestationStatementX5CInvalid
        | Error::AttestationStatementVerUnsupported
        | Error::COSEKeyInvalidCBORValue
        | Error::COSEKeyInvalidType
        | Error::COSEKeyEDUnsupported
        | Error::COSEKeyECDSAXYInvalid
        | Error::COSEKeyRSANEInvalid
        | Error::COSEKeyECDSAInvalidCurve
        | Error::COSEKeyEDDSAXInvalid
        | Error::COSEKeyEDDSAInvalidCurve
        | Error::COSEKeyInvalidAlgorithm
        | Error::CredentialInsecureCryptography
        | Error::CredentialAlteredAlgFromRequest
        | Error::SshPublicKeyEDUnsupported
        | Error::RsaParametersInvalid => refusal.with_detail(
            "The key of this authenticator is not supported. Use another authenticator.",
        ),
        _ => refusal,
    }
}

/// Changes the options of a registration to those of a security key: not discoverable, without user
/// verification, and without protection of the credential by it.
pub(super) fn second_factor(options: &mut Value) {
    if let Some(selection) =
        options.get_mut("authenticatorSelection").and_then(Value::as_object_mut)
    {
        selection.insert("residentKey".to_owned(), "discouraged".into());
        selection.insert("requireResidentKey".to_owned(), false.into());
    }
    unprotected(options);
}
