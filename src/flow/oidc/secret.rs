//! The secret of a client at the token endpoint.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use crate::crypto::es256::Es256Key;

/// The lifetime of a secret that is a JWT, in seconds. It is created for each request.
const LIFETIME: i64 = 300;

/// The secret of a client.
#[derive(Clone)]
pub(crate) enum ClientSecret {
    /// A client without a secret, protected by PKCE only.
    None,
    Text(Zeroizing<String>),
    Apple(AppleKey),
}

/// The key with which the secret of Sign in with Apple is signed.
#[derive(Clone)]
pub(crate) struct AppleKey {
    pub(crate) team_id: String,
    pub(crate) key_id: String,
    /// The private key in PEM, or `None` if it could not be read.
    key: Option<Arc<Es256Key>>,
}

impl AppleKey {
    pub(crate) fn new(team_id: String, key_id: String, pem: &str) -> Self {
        let key = Es256Key::from_pkcs8_pem(pem.trim()).map(Arc::new);
        Self { team_id, key_id, key }
    }

    fn is_valid(&self) -> bool {
        self.key.is_some() && !self.team_id.is_empty() && !self.key_id.is_empty()
    }

    /// Returns a secret for the next five minutes.
    fn sign(&self, client_id: &str, issuer: &str, now: Timestamp) -> Option<Zeroizing<String>> {
        let now = now.as_second();
        let header = json!({ "alg": "ES256", "kid": self.key_id, "typ": "JWT" });
        let claims = json!({
            "iss": self.team_id,
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
            "aud": issuer,
            "sub": client_id,
        });
        self.key.as_ref()?.sign(&header, &claims).ok().map(Zeroizing::new)
    }
}

impl ClientSecret {
    /// Returns what is wrong with the secret, if anything.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) if text.is_empty() => Some("the client secret is empty"),
            Self::Apple(key) if !key.is_valid() => Some(
                ".apple_key(…) needs the team id, the key id, and the private key as the .p8 file \
                 has it (PKCS#8 in PEM, P-256)",
            ),
            _ => None,
        }
    }

    /// Returns the secret for a request.
    pub(super) fn now(
        &self,
        client_id: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Option<Zeroizing<String>> {
        match self {
            Self::None => None,
            Self::Text(text) => Some(text.clone()),
            Self::Apple(key) => key.sign(client_id, issuer, now),
        }
    }

    /// Returns whether the provider takes the secret in the body only.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self, Self::Apple(_))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use p256::{
        ecdsa::{Signature, SigningKey, VerifyingKey, signature::Verifier},
        pkcs8::DecodePrivateKey,
    };
    use serde_json::Value;

    use super::*;

    /// Created with `openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt`.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1rju6lK5+1Zo13/V
HluqQA5QrJGFZ1FyOl4ygZzNMM2hRANCAAT5wUjIpQCW3xGHU7bYi5YaICoANPiP
t4Vc/tl5vNeND7dl7JdITT52SaO5Fz9XNO3T9ItPtcevcn00zvX2gdvX
-----END PRIVATE KEY-----
";

    #[test]
    fn secret_of_apple_is_a_short_jwt() {
        let key = AppleKey::new("TEAM".to_owned(), "KEY".to_owned(), PEM);
        let secret = ClientSecret::Apple(key.clone());
        assert_eq!(secret.problem(), None);
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let token = secret.now("com.example.app", "https://appleid.apple.com", now).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let verifying = VerifyingKey::from(SigningKey::from_pkcs8_pem(PEM).unwrap());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        verifying.verify(message.as_bytes(), &signature).unwrap();
        let parts = message.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let parts: Vec<Value> = parts.map(|part| serde_json::from_slice(&part).unwrap()).collect();
        assert_eq!(parts[0], json!({ "alg": "ES256", "kid": "KEY", "typ": "JWT" }));
        assert_eq!(
            parts[1],
            json!({ "iss": "TEAM", "iat": 1_700_000_000, "exp": 1_700_000_300,
                "aud": "https://appleid.apple.com", "sub": "com.example.app" })
        );
    }

    #[test]
    fn keys_that_cannot_sign_are_reported() {
        for (team, id, pem) in [("", "KEY", PEM), ("TEAM", "", PEM), ("TEAM", "KEY", "no key")] {
            let key = AppleKey::new(team.to_owned(), id.to_owned(), pem);
            assert!(ClientSecret::Apple(key).problem().is_some(), "{team} {id}");
        }
        assert!(ClientSecret::Text(Zeroizing::new(String::new())).problem().is_some());
        assert_eq!(ClientSecret::None.problem(), None);
    }
}
