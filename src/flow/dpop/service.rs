//! The verification of a proof (RFC 9449 §4.3).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    crypto::{
        digest::{Digest, Domain},
        proof::KeyProof,
    },
    model::Thumbprint,
    origin::Origins,
    services::{DPOP_WINDOW, DpopProof, DpopRequest},
};

const TYPE: &str = "dpop+jwt";
/// The maximum length of the id of a proof.
const MAX_ID: usize = 256;

/// Verifies a proof, except that it is used once.
pub(super) fn verify(request: &DpopRequest<'_>) -> Option<DpopProof> {
    let proof = KeyProof::parse(request.proof, TYPE)?;
    let key = proof.jwk.as_ref()?;
    let id = proof.text("jti").filter(|id| (1..=MAX_ID).contains(&id.len()))?;
    let issued = proof.claims.get("iat").and_then(Value::as_i64)?;
    // In milliseconds, so that no proof is accepted for longer than its use is remembered.
    let age = request.now.as_millisecond().checked_sub(issued.checked_mul(1000)?)?;
    let is_current = u128::from(age.unsigned_abs()) <= DPOP_WINDOW.as_millis();
    let is_for = proof.text("htm")? == request.method
        && is_target(proof.text("htu")?, request.origins, request.path);
    let is_of_token = match request.token {
        None => true,
        Some(token) => proof.text("ath") == Some(&*URL_SAFE_NO_PAD.encode(Sha256::digest(token))),
    };
    if !(is_current && is_for && is_of_token && proof.is_of(key)) {
        return None;
    }
    let text = key.thumbprint();
    let bytes = URL_SAFE_NO_PAD.decode(&text).ok()?.try_into().ok()?;
    let named = Digest::hash(Domain::USED_PROOF, format!("{text}\0{id}").as_bytes());
    Some(DpopProof { key: Thumbprint::from_bytes(bytes), id: named })
}

/// Returns whether a URL is that of a path at one of the origins. Query and fragment are ignored (RFC
/// 9449 §4.3), and both are normalized (RFC 3986 §6.2).
fn is_target(url: &str, origins: &Origins, path: &str) -> bool {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (authority, own) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (scheme, mut authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let default = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    if let Some(host) = authority.strip_suffix(default) {
        authority = host.to_owned();
    }
    let origin = format!("{scheme}://{authority}");
    let is_own = origins.iter().any(|own| own == origin);
    is_own && normalized(own).is_some_and(|own| normalized(path) == Some(own))
}

/// Returns a path without dot segments, whose escapes are in upper case and only where needed.
fn normalized(path: &str) -> Option<String> {
    let (mut decoded, mut bytes) = (String::new(), path.bytes());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(char::from(byte));
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let byte = u8::try_from(digit()? * 16 + digit()?).ok()?;
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => decoded.push(char::from(byte)),
            false => decoded.push_str(&format!("%{byte:02X}")),
        }
    }
    let mut segments: Vec<&str> = Vec::new();
    let count = decoded.split('/').count();
    for (place, segment) in decoded.split('/').enumerate() {
        let is_last = place + 1 == count;
        match segment {
            "." | ".." => {
                if segment == ".." && segments.len() > 1 {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            other => segments.push(other),
        }
    }
    let path = segments.join("/");
    Some(if path.is_empty() { "/".to_owned() } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_compared_after_normalization() {
        let origins =
            Origins::parse(["https://app.example.com", "https://b.example:8443"]).unwrap();
        for (url, path, is_equal) in [
            ("https://app.example.com/a/b", "/a/b", true),
            ("https://app.example.com/a/b?x=1#y", "/a/b", true),
            ("HTTPS://APP.example.com:443/a/b", "/a/b", true),
            ("https://app.example.com/%61/./x/../b", "/a/b", true),
            ("https://app.example.com/a%2fb", "/a%2Fb", true),
            ("https://app.example.com", "/", true),
            ("https://b.example:8443/a", "/a", true),
            ("https://app.example.com/a%2fb", "/a/b", false),
            ("https://app.example.com/A/b", "/a/b", false),
            ("https://app.example.com/a/b/", "/a/b", false),
            ("https://app.example.com:8443/a", "/a", false),
            ("http://app.example.com/a", "/a", false),
            ("https://evil.example/a", "/a", false),
            ("https://app.example.com.evil.example/a", "/a", false),
            ("https://me@app.example.com/a", "/a", false),
            ("/a", "/a", false),
            ("https://app.example.com/%zz", "/%zz", false),
        ] {
            assert_eq!(is_target(url, &origins, path), is_equal, "{url} {path}");
        }
    }
}
