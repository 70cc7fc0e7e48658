//! Proofs of possession of a key: signed tokens of clients (RFC 7515, compact serialization).
//!
//! A proof is parsed before its signature is verified. Its header is checked completely: the type, the
//! algorithm, and that no extension is critical. `kid`, `jku` and `x5u` are ignored; nothing is fetched.

mod jwk;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub(crate) use jwk::{Algorithm, Jwk};
use serde_json::{Map, Value};

/// The maximum length of a proof. One with a key of RSA with 4096 bits has less than 3,000 characters.
const MAX_LEN: usize = 8192;

/// A proof whose signature is not verified yet.
#[derive(Debug)]
pub(crate) struct KeyProof<'a> {
    pub(crate) algorithm: Algorithm,
    /// The key in the header.
    pub(crate) jwk: Option<Jwk>,
    pub(crate) claims: Map<String, Value>,
    message: &'a str,
    signature: Vec<u8>,
}

impl<'a> KeyProof<'a> {
    /// Parses a proof of a type. Returns `None` if it is malformed or has a key that is not supported.
    pub(crate) fn parse(text: &'a str, typ: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header = object(header)?;
        let is_typed = header.get("typ").and_then(Value::as_str) == Some(typ);
        if !is_typed || header.contains_key("crit") || header.contains_key("b64") {
            return None;
        }
        let algorithm = Algorithm::of(header.get("alg")?.as_str()?)?;
        let jwk = match header.get("jwk") {
            Some(jwk) => Some(Jwk::read(jwk)?),
            None => None,
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { algorithm, jwk, claims: object(claims)?, message, signature })
    }

    /// Returns a claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Returns whether the signature is of a key.
    pub(crate) fn is_of(&self, key: &Jwk) -> bool {
        key.verifies(self.algorithm, self.message.as_bytes(), &self.signature)
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 §A.3, whose header has no type.
    const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn key() -> Jwk {
        Jwk::read(&serde_json::json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        }))
        .unwrap()
    }

    #[test]
    fn signature_of_the_standard_is_verified() {
        let message = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}");
        let signature = URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
        assert!(key().verifies(Algorithm::Es256, message.as_bytes(), &signature));
        assert!(!key().verifies(Algorithm::Rs256, message.as_bytes(), &signature));
        assert!(!key().verifies(Algorithm::Es256, b"other", &signature));
    }

    #[test]
    fn signature_with_rsa_is_verified() {
        // Signed with the Python package `cryptography`.
        let key = Jwk::read(&serde_json::json!({
            "kty": "RSA", "e": "AQAB",
            "n": "ofXT9UdC6izhw8ZF0cJg1uRQJOXFg3mRNdkaiV-u9w73oKOsrHkcghQyBdOOVUa5pS9omnWzbBMMVRQNPXYMJVNAR_r1vfiwZYwo8lno48IETbMGRUcy1tV497VqCrMPe4-FIwL99vnP2aiXCeP2gfa7lXDFT-gF7GLQBEaf-m-zbf1nLVXHOsUgn5NRNeLkiQrUK93_mEsIRNJE9gqHGiai44Wl3VKeDSO8pQbHEhcIi2klmu2lwFez-53TAZ0Q2lUsqR8dSOObqoTFAYsDOUVK3IGO-fJqF8hNtqil8WD7HjzdotwMSPVayAhATPMrZWV2UYg33vwaNY-2Dtjm2w"
        }))
        .unwrap();
        let message = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}");
        let signature = URL_SAFE_NO_PAD.decode("nB4en3Wg9v6Tz6m-GatjhPq-S1PZNaBioQY1LrC28HZNZCbln9aV30WU8ge6yBqGqeqF9oWjbP0TJDMvCnc6DI0jsUbyJiKYHm85Nnc_iHtv1nN1rrFKeR8FHbGQOSYKslJFuhLoOeDPIQ-7HsSyzN1Qgt4yoirHtmXrZ0E1Jps1Vg1EmERKu6l4CRcQN2oMJTY7D2tNFZ3Dri_ty4JzZZ90yBjWwPWRWo88yaVAjodJBnBLhc4-u3TvjTArr4XZ43N3GkH1_INhkiotV5W-JG-BWEA5OLwsBQbrK6WESUK56heOzFEOXJjGDz9vpjgcr0SPS0TuqABC1souoJK4lg").unwrap();
        assert!(key.verifies(Algorithm::Rs256, message.as_bytes(), &signature));
        assert!(!key.verifies(Algorithm::Es256, message.as_bytes(), &signature));
        assert!(!key.verifies(Algorithm::Rs256, b"other", &signature));
    }

    #[test]
    fn header_is_checked_completely() {
        let header = |json: &str| format!("{}.{CLAIMS}.{SIGNATURE}", URL_SAFE_NO_PAD.encode(json));
        let parses = |json: &str| KeyProof::parse(&header(json), "t").is_some();
        assert!(parses(r#"{"typ":"t","alg":"ES256","kid":"../x","jku":"https://a.example"}"#));
        for json in [
            r#"{"alg":"ES256"}"#,
            r#"{"typ":"JWT","alg":"ES256"}"#,
            r#"{"typ":"t","alg":"none"}"#,
            r#"{"typ":"t","alg":"HS256"}"#,
            r#"{"typ":"t"}"#,
            r#"{"typ":"t","alg":"ES256","crit":[]}"#,
            r#"{"typ":"t","alg":"ES256","jwk":{"kty":"oct","k":"AA"}}"#,
            r#"["typ"]"#,
        ] {
            assert!(!parses(json), "{json}");
        }
        let good = header(r#"{"typ":"t","alg":"ES256"}"#);
        for text in [good.replace('.', ""), format!("{good}.{SIGNATURE}"), format!("{good}=")] {
            assert!(KeyProof::parse(&text, "t").is_none(), "{text}");
        }
        let long = "A".repeat(MAX_LEN);
        assert!(KeyProof::parse(&format!("{good}{long}"), "t").is_none());
    }
}
