//! A key of a client in software, with configurable faults.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};

use crate::crypto::random;

/// A fault of a [`VirtualDevice`].
///
/// ```
/// use authlayer::testing::{DeviceFault, VirtualDevice};
///
/// let mut device = VirtualDevice::new();
/// device.fault(DeviceFault::KeyOther);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceFault {
    /// The algorithm is `none`, and there is no signature.
    AlgorithmNone,
    /// The algorithm is that of another kind of key.
    AlgorithmOther,
    /// The signature is of another key.
    KeyOther,
    /// There is no type.
    TypeMissing,
    /// The type is `JWT`.
    TypeOther,
    /// The key is an RSA key of 1,024 bits.
    KeyShort,
    /// The key has 64 KiB.
    KeyHuge,
    /// The key is a private key.
    KeyPrivate,
    /// The header names a key of another server.
    KeyElsewhere,
    /// An extension of the header is critical.
    Critical,
    /// The signature has the encoding of X.509.
    SignatureDer,
}

/// A key that signs proofs as a browser does for Device Bound Session Credentials: ES256.
///
/// ```
/// use authlayer::testing::{TestClient, VirtualDevice};
///
/// async fn bind(client: &TestClient, challenge: &str) {
///     let proof = VirtualDevice::new().registration(challenge);
///     let client = client.clone().with("secure-session-response", proof);
///     assert_eq!(client.post("/auth/device/register", ()).await.status, 200);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct VirtualDevice {
    key: SigningKey,
    fault: Option<DeviceFault>,
}

impl Default for VirtualDevice {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualDevice {
    /// Creates a key.
    pub fn new() -> Self {
        Self { key: random_key(), fault: None }
    }

    /// Sets the fault, or `None`.
    pub fn fault(&mut self, fault: impl Into<Option<DeviceFault>>) {
        self.fault = fault.into();
    }

    /// Returns the proof with which the key is registered.
    pub fn registration(&self, challenge: &str) -> String {
        let header = json!({ "typ": "dbsc+jwt", "alg": "ES256", "jwk": self.jwk() });
        self.sign(header, &json!({ "jti": challenge }))
    }

    /// Returns the proof with which a session is refreshed.
    pub fn proof(&self, challenge: &str) -> String {
        let header = json!({ "typ": "dbsc+jwt", "alg": "ES256" });
        self.sign(header, &json!({ "jti": challenge }))
    }

    /// Returns the public key.
    pub fn jwk(&self) -> Value {
        let point = self.key.verifying_key().to_sec1_point(false);
        let [x, y] = [1..33, 33..65].map(|part| URL_SAFE_NO_PAD.encode(&point.as_bytes()[part]));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    /// Signs claims with the fault.
    pub fn sign(&self, mut header: Value, claims: &Value) -> String {
        let mut key = self.key.clone();
        match self.fault {
            Some(DeviceFault::AlgorithmNone) => header["alg"] = json!("none"),
            Some(DeviceFault::AlgorithmOther) => header["alg"] = json!("RS256"),
            Some(DeviceFault::KeyOther) => key = random_key(),
            Some(DeviceFault::TypeMissing) => {
                header.as_object_mut().expect("an object").remove("typ");
            }
            Some(DeviceFault::TypeOther) => header["typ"] = json!("JWT"),
            Some(DeviceFault::KeyShort | DeviceFault::KeyHuge) => {
                let is_short = self.fault == Some(DeviceFault::KeyShort);
                let modulus = vec![0xff; if is_short { 128 } else { 64 << 10 }];
                let modulus = URL_SAFE_NO_PAD.encode(modulus);
                header["jwk"] = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" });
                header["alg"] = json!("RS256");
            }
            Some(DeviceFault::KeyPrivate) => {
                header["jwk"] = self.jwk();
                header["jwk"]["d"] = json!(URL_SAFE_NO_PAD.encode(self.key.to_bytes()));
            }
            Some(DeviceFault::KeyElsewhere) => {
                key = random_key();
                header["kid"] = json!("../../dev/null");
                header["jku"] = json!("https://keys.example.com/jwks.json");
                header["x5u"] = json!("https://keys.example.com/chain.pem");
            }
            Some(DeviceFault::Critical) => header["crit"] = json!(["exp"]),
            Some(DeviceFault::SignatureDer) | None => {}
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature: Signature = key.sign(message.as_bytes());
        let signature = match self.fault {
            Some(DeviceFault::AlgorithmNone) => String::new(),
            Some(DeviceFault::SignatureDer) => URL_SAFE_NO_PAD.encode(signature.to_der()),
            _ => URL_SAFE_NO_PAD.encode(signature.to_bytes()),
        };
        format!("{message}.{signature}")
    }
}

fn random_key() -> SigningKey {
    let secret: [u8; 32] = random::bytes().expect("random bytes");
    SigningKey::from_slice(&secret).expect("a scalar")
}
