//! Firebase: the array `users` of `firebase auth:export`.

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD,
    },
};

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const OWN: Columns = Columns {
    id: &["localId"],
    verified: &["emailVerified"],
    verified_at: &[],
    username: &[],
    name: &["displayName"],
    avatar: &["photoUrl"],
    phone: &["phoneNumber"],
    hash: &[],
    created_at: &["createdAt"],
    ..COLUMNS
};

/// The parameters of the project's password hashes.
pub(super) struct Scrypt<'a> {
    pub(super) salt_separator: &'a str,
    pub(super) rounds: u32,
    pub(super) mem_cost: u8,
}

pub(super) fn map(row: &Row, scrypt: &Scrypt<'_>) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?;
    if draft.phone.is_some() {
        // Firebase stores only numbers to which it sent a code.
        draft.phone_verified_at = draft.created_at;
    }
    draft.is_disabled = row.flag(&["disabled"]) == Some(true);
    draft.app_metadata = row.object("customAttributes").into_members();
    if let (Some(hash), Some(salt)) = (row.text(&["passwordHash"]), row.text(&["salt"])) {
        match hash_text(&hash, &salt, scrypt) {
            Some(text) => draft.hash = Some(text),
            None => draft.omit("the password hash or its salt is not in base64"),
        }
    }
    for identity in row.rows("providerUserInfo") {
        let provider = identity.text(&["providerId"]).unwrap_or_default();
        match provider.as_str() {
            "password" | "phone" => {}
            _ => draft.link(&provider, identity.text(&["rawId"]), &identity),
        }
    }
    if !row.list("mfaInfo").is_empty() {
        draft.omit("multi-factor authentication: Firebase does not export its secrets");
    }
    Ok(draft)
}

fn hash_text(hash: &str, salt: &str, scrypt: &Scrypt<'_>) -> Option<String> {
    // The CLI writes base64, the API its variant for URLs.
    let bytes = |text: &str| BASE64.decode(text.replace('-', "+").replace('_', "/")).ok();
    let salt = [bytes(salt)?, bytes(scrypt.salt_separator)?].concat();
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(bytes(hash)?));
    Some(format!("firebase-scrypt$ln={},r={}${salt}${hash}", scrypt.mem_cost, scrypt.rounds))
}
