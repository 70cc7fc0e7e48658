//! Valid and invalid tokens.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    PrivateSigningKey,
    core::{CoreHmacKey, CoreJwsSigningAlgorithm},
};
use p521::ecdsa::{Signature, signature::Signer};
use serde_json::{Map, Value, json};

use super::{
    ACCESS, Fault, Shared,
    keys::{Key, Keys, p521},
};

type Alg = CoreJwsSigningAlgorithm;

impl Shared {
    pub(super) fn id_token(&self, nonce: &str, fault: Option<Fault>) -> String {
        let now = self.now().as_second();
        let mut claims = self.lock().claims.clone();
        let keys = self.lock().keys.clone();
        let more = json!({
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "auth_time": now,
            "at_hash": keys.half_hash(ACCESS),
        });
        claims.extend(more.as_object().cloned().unwrap_or_default());
        spoil(&mut claims, &self.client_id, now, fault);
        claims.extend(self.lock().settings.id_token.clone());
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(keys.algorithm));
        header.insert("typ".to_owned(), json!("JWT"));
        header.insert("kid".to_owned(), json!(keys.name));
        header.extend(self.lock().settings.header.clone());
        self.sign(&keys, header, &claims, fault)
    }

    pub(super) fn user_info_token(&self, claims: &Map<String, Value>) -> String {
        let keys = self.lock().keys.clone();
        let mut claims = claims.clone();
        claims.insert("iss".to_owned(), json!(self.issuer));
        claims.insert("aud".to_owned(), json!(self.client_id));
        let header = json!({ "alg": keys.algorithm, "kid": keys.name });
        let header = header.as_object().cloned().unwrap_or_default();
        self.sign(&keys, header, &claims, None)
    }

    pub(super) fn logout_token(&self, changes: &Value) -> String {
        let now = self.now().as_second();
        let claims = self.lock().claims.clone();
        let token = json!({
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": format!("logout-{}", self.next()),
            "sub": claims.get("sub"),
            "sid": claims.get("sid"),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        self.changed_token("logout+jwt", token, changes, None)
    }

    pub(super) fn security_event_token(&self, events: &Value, changes: &Value) -> String {
        let subject = self.lock().claims.get("sub").cloned();
        let token = json!({
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": self.now().as_second(),
            "jti": format!("event-{}", self.next()),
            "sub_id": { "format": "iss_sub", "iss": self.issuer, "sub": subject },
            "events": events,
        });
        let fault = self.lock().fault;
        self.changed_token("secevent+jwt", token, changes, fault)
    }

    /// Returns the next number of a token.
    fn next(&self) -> u32 {
        let mut inner = self.lock();
        inner.made += 1;
        inner.made
    }

    fn changed_token(
        &self,
        kind: &str,
        mut token: Value,
        changes: &Value,
        fault: Option<Fault>,
    ) -> String {
        let keys = self.lock().keys.clone();
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(keys.algorithm));
        header.insert("typ".to_owned(), json!(kind));
        header.insert("kid".to_owned(), json!(keys.name));
        let own = token.as_object_mut().expect("an object");
        for (name, value) in changes.as_object().into_iter().flatten() {
            let place = if matches!(name.as_str(), "alg" | "typ" | "kid") {
                &mut header
            } else {
                &mut *own
            };
            match value {
                Value::Null => drop(place.remove(name)),
                value => drop(place.insert(name.clone(), value.clone())),
            }
        }
        let fault = match header.get("alg").and_then(Value::as_str) {
            Some("none") => Some(Fault::AlgNone),
            Some("HS256") => Some(Fault::SignedWithSecret),
            Some("RS384") => Some(Fault::SignedRs384),
            _ => fault,
        };
        let claims = own.clone();
        self.sign(&keys, header, &claims, fault)
    }

    fn sign(
        &self,
        keys: &Keys,
        mut header: Map<String, Value>,
        claims: &Map<String, Value>,
        fault: Option<Fault>,
    ) -> String {
        let key: Arc<Key> = match fault {
            Some(Fault::KeyEmbedded | Fault::KeyUnknown) => Arc::clone(&keys.other),
            _ => Arc::clone(&keys.signs),
        };
        let mut set = |name: &str, value: Value| drop(header.insert(name.to_owned(), value));
        match fault {
            Some(Fault::AlgNone) => set("alg", json!("none")),
            Some(Fault::SignedWithSecret | Fault::SignedWithPublicKey) => {
                set("alg", json!("HS256"))
            }
            Some(Fault::SignatureEs256) => set("alg", json!("ES256")),
            Some(Fault::SignedRs384) => set("alg", json!("RS384")),
            Some(Fault::KeyEmbedded) => {
                set("jwk", json!(key.as_verification_key()));
                set("kid", json!("two"));
            }
            Some(Fault::KeyUnknown) => set("kid", json!("two")),
            Some(Fault::TypeAccessToken) => set("typ", json!("at+jwt")),
            Some(Fault::TypeLogoutToken) => set("typ", json!("logout+jwt")),
            Some(Fault::Critical) => {
                set("crit", json!(["x"]));
                set("x", json!(true));
            }
            _ => {}
        }
        if matches!(fault, Some(Fault::KidAbsentOneKey | Fault::KidAbsentTwoKeys)) {
            header.remove("kid");
        }
        let part = |value: &Map<String, Value>| {
            URL_SAFE_NO_PAD.encode(Value::Object(value.clone()).to_string())
        };
        let message = format!("{}.{}", part(&header), part(claims));
        let bytes = message.as_bytes();
        let hmac = |secret: &[u8]| CoreHmacKey::new(secret).sign(&Alg::HmacSha256, bytes);
        let signature = match fault {
            Some(Fault::AlgNone) => Ok(Vec::new()),
            Some(Fault::SignedWithSecret) => hmac(self.secret.as_bytes()),
            Some(Fault::SignedWithPublicKey) => hmac(&keys.modulus()),
            Some(Fault::SignatureEs256) => Ok(vec![7; 64]),
            Some(Fault::SignedRs384) => key.sign(&Alg::RsaSsaPkcs1V15Sha384, bytes),
            Some(Fault::SignatureWrong) => key.sign(&Alg::RsaSsaPkcs1V15Sha256, b"something else"),
            _ => match keys.algorithm {
                "ES512" => {
                    let signature: Signature = p521().sign(bytes);
                    Ok(signature.to_bytes().to_vec())
                }
                "EdDSA" | "Ed25519" => key.sign(&Alg::EdDsa, bytes),
                "RS384" => key.sign(&Alg::RsaSsaPkcs1V15Sha384, bytes),
                "RS512" => key.sign(&Alg::RsaSsaPkcs1V15Sha512, bytes),
                "PS256" => key.sign(&Alg::RsaSsaPssSha256, bytes),
                "PS384" => key.sign(&Alg::RsaSsaPssSha384, bytes),
                "PS512" => key.sign(&Alg::RsaSsaPssSha512, bytes),
                _ => key.sign(&Alg::RsaSsaPkcs1V15Sha256, bytes),
            },
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.expect("a signature")))
    }
}

/// Changes one claim for a fault.
fn spoil(claims: &mut Map<String, Value>, client: &str, now: i64, fault: Option<Fault>) {
    let change: Option<(&str, Value)> = fault.and_then(|fault| {
        Some(match fault {
            Fault::IssuerOther => ("iss", json!("https://evil.example")),
            Fault::IssuerMissing => ("iss", Value::Null),
            Fault::AudienceOther => ("aud", json!("another-client")),
            Fault::AudienceMore => ("aud", json!([client, "another-client"])),
            Fault::AudienceMissing => ("aud", Value::Null),
            Fault::PartyOther => ("azp", json!("another-client")),
            Fault::SubjectMissing => ("sub", Value::Null),
            Fault::SubjectEmpty => ("sub", json!("")),
            Fault::SubjectNumber => ("sub", json!(7)),
            Fault::IssuedMissing => ("iat", Value::Null),
            Fault::IssuedLongAgo => ("iat", json!(now - 3600)),
            Fault::IssuedInFuture => ("iat", json!(now + 3600)),
            Fault::Expired => ("exp", json!(now - 120)),
            Fault::ExpiredJustNow => ("exp", json!(now - 30)),
            Fault::ExpiryMissing => ("exp", Value::Null),
            Fault::NotYet => ("nbf", json!(now + 3600)),
            Fault::NonceOther => ("nonce", json!("another")),
            Fault::NonceMissing => ("nonce", Value::Null),
            Fault::AccessHashOther => ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
            Fault::ProvedLongAgo => ("auth_time", json!(now - 86_400)),
            Fault::ProvedMissing => ("auth_time", Value::Null),
            _ => return None,
        })
    });
    match change {
        Some((name, Value::Null)) => drop(claims.remove(name)),
        Some((name, value)) => drop(claims.insert(name.to_owned(), value)),
        None => {}
    }
}
