//! An in-process authenticator with configurable faults.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::crypto::random;

/// A fault of a [`VirtualAuthenticator`].
///
/// ```
/// use authlayer::testing::{PasskeyFault, VirtualAuthenticator};
///
/// let mut authenticator = VirtualAuthenticator::new("https://app.example.com");
/// authenticator.fault(PasskeyFault::OriginOther);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasskeyFault {
    /// The page has another origin.
    OriginOther,
    /// The origin has a path.
    OriginPath,
    /// The passkey is of another relying party.
    PartyOther,
    /// The client data is of the other ceremony.
    TypeOther,
    /// The response is to another challenge.
    ChallengeOther,
    /// The page is a cross-origin frame.
    CrossOrigin,
    /// The page has a top-level origin that differs.
    TopOrigin,
    /// The user is not present.
    NotPresent,
    /// The user is not verified.
    NotVerified,
    /// The user is neither present nor verified, as in a registration without a dialog.
    Unattended,
    /// The passkey is backed up but not eligible for backup.
    BackedUpOnly,
    /// The passkey is eligible for backup from now on.
    BackupEligible,
    /// The authenticator data has trailing bytes.
    Leftover,
    /// `id` and `rawId` differ.
    IdOther,
    /// The id has 1,024 bytes.
    IdLong,
    /// The attestation `none` has a statement.
    Statement,
    /// The algorithm of the key was not requested.
    AlgorithmOther,
    /// The key is an RSA key of 3,072 bits.
    KeyLong,
    /// The signature is that of other data.
    SignatureWrong,
    /// The user handle is that of another user.
    HandleOther,
    /// There is no user handle.
    HandleMissing,
    /// The counter does not increase.
    CounterStays,
}

/// A passkey that responds to ceremonies as a browser's `toJSON()` does: ES256, discoverable, with
/// user verification and a counter.
///
/// ```
/// use authlayer::testing::{TestClient, VirtualAuthenticator};
///
/// async fn add_passkey(client: &TestClient) {
///     let mut authenticator = VirtualAuthenticator::new("https://app.example.com");
///     assert_eq!(client.register_passkey(&mut authenticator).await.status, 201);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct VirtualAuthenticator {
    origin: String,
    key: SigningKey,
    id: Vec<u8>,
    handle: Vec<u8>,
    counter: u32,
    fault: Option<PasskeyFault>,
}

impl VirtualAuthenticator {
    /// Creates a passkey for a page of an origin.
    pub fn new(origin: &str) -> Self {
        let secret: [u8; 32] = random::bytes().expect("random bytes");
        Self {
            origin: origin.to_owned(),
            key: SigningKey::from_slice(&secret).expect("a scalar"),
            id: random::bytes::<32>().expect("random bytes").to_vec(),
            handle: Vec::new(),
            counter: 0,
            fault: None,
        }
    }

    /// Sets the fault, or `None`.
    pub fn fault(&mut self, fault: impl Into<Option<PasskeyFault>>) {
        self.fault = fault.into();
        if self.is(PasskeyFault::IdLong) {
            self.id = vec![7; 1024];
        }
    }

    /// Sets the length of the id, in bytes.
    pub fn set_id_length(&mut self, length: usize) {
        self.id.resize(length, 7);
    }

    /// Returns the response to the options of a registration.
    pub fn register(&mut self, options: &Value) -> Value {
        let text = options["user"]["id"].as_str().expect("a user handle");
        self.handle = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let client = self.client_data("webauthn.create", options);
        let mut data = self.head(options["rp"]["id"].as_str().expect("an id"), 0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        if self.is(PasskeyFault::Leftover) {
            data.push(0);
        }
        let text = |text: &str| Cbor::Text(text.to_owned());
        let mut statement = BTreeMap::new();
        if self.is(PasskeyFault::Statement) {
            statement.insert(text("alg"), Cbor::Integer(-7));
            statement.insert(text("sig"), Cbor::Bytes(vec![0; 70]));
        }
        let object = BTreeMap::from([
            (text("fmt"), text("none")),
            (text("attStmt"), Cbor::Map(statement)),
            (text("authData"), Cbor::Bytes(data)),
        ]);
        let object = serde_cbor_2::to_vec(&Cbor::Map(object)).expect("CBOR");
        self.credential(json!({
            "clientDataJSON": encode(client.as_bytes()),
            "attestationObject": encode(&object),
            "transports": ["internal", "hybrid"],
        }))
    }

    /// Returns the response to the options of an authentication.
    pub fn authenticate(&mut self, options: &Value) -> Value {
        let client = self.client_data("webauthn.get", options);
        if !self.is(PasskeyFault::CounterStays) {
            self.counter += 1;
        }
        let mut data = self.head(options["rpId"].as_str().expect("an id"), 0);
        if self.is(PasskeyFault::Leftover) {
            data.push(0);
        }
        let mut message = data.clone();
        message.extend(Sha256::digest(client.as_bytes()));
        if self.is(PasskeyFault::SignatureWrong) {
            message.push(0);
        }
        let signature: Signature = self.key.sign(&message);
        let mut response = json!({
            "clientDataJSON": encode(client.as_bytes()),
            "authenticatorData": encode(&data),
            "signature": encode(signature.to_der().as_bytes()),
            "userHandle": encode(&self.handle),
        });
        if self.is(PasskeyFault::HandleOther) {
            response["userHandle"] = json!(encode(&[7; 16]));
        } else if self.is(PasskeyFault::HandleMissing) {
            response["userHandle"] = Value::Null;
        }
        self.credential(response)
    }

    fn is(&self, fault: PasskeyFault) -> bool {
        self.fault == Some(fault)
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let challenge = options["challenge"].as_str().expect("a challenge");
        let mut data = json!({
            "type": kind,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": false,
        });
        match self.fault {
            Some(PasskeyFault::OriginOther) => data["origin"] = json!("https://evil.example"),
            Some(PasskeyFault::OriginPath) => data["origin"] = json!(format!("{}/", self.origin)),
            Some(PasskeyFault::TypeOther) => {
                let other = if kind == "webauthn.get" { "webauthn.create" } else { "webauthn.get" };
                data["type"] = json!(other);
            }
            Some(PasskeyFault::ChallengeOther) => data["challenge"] = json!(encode(&[7; 32])),
            Some(PasskeyFault::CrossOrigin) => data["crossOrigin"] = json!(true),
            Some(PasskeyFault::TopOrigin) => data["topOrigin"] = json!("https://evil.example"),
            _ => {}
        }
        data.to_string()
    }

    /// Returns the hash of the relying party, the flags, and the counter.
    fn head(&self, rp_id: &str, more: u8) -> Vec<u8> {
        let rp_id = if self.is(PasskeyFault::PartyOther) { "evil.example" } else { rp_id };
        let flags = match self.fault {
            Some(PasskeyFault::NotPresent) => 0x04,
            Some(PasskeyFault::NotVerified) => 0x01,
            Some(PasskeyFault::Unattended) => 0x00,
            Some(PasskeyFault::BackedUpOnly) => 0x15,
            Some(PasskeyFault::BackupEligible) => 0x0d,
            _ => 0x05,
        };
        let mut data = Sha256::digest(rp_id).to_vec();
        data.push(flags | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// Returns the public key (RFC 9053 §7.1.1).
    fn cose(&self) -> Vec<u8> {
        if self.is(PasskeyFault::KeyLong) {
            return long_key();
        }
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().expect("a point").to_vec(), point.y().expect("a point").to_vec());
        let algorithm = if self.is(PasskeyFault::AlgorithmOther) { -47 } else { -7 };
        let pairs = [
            (1, Cbor::Integer(2)),
            (3, Cbor::Integer(algorithm)),
            (-1, Cbor::Integer(1)),
            (-2, Cbor::Bytes(x)),
            (-3, Cbor::Bytes(y)),
        ];
        let map = pairs.into_iter().map(|(name, value)| (Cbor::Integer(name), value)).collect();
        serde_cbor_2::to_vec(&Cbor::Map(map)).expect("CBOR")
    }

    fn credential(&self, response: Value) -> Value {
        let raw_id = if self.is(PasskeyFault::IdOther) { vec![7; 32] } else { self.id.clone() };
        json!({
            "id": encode(&self.id),
            "rawId": encode(&raw_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }
}

/// Returns an RSA key of 3,072 bits (RFC 8230 §4).
fn long_key() -> Vec<u8> {
    let pairs = [
        (1, Cbor::Integer(3)),
        (3, Cbor::Integer(-257)),
        (-1, Cbor::Bytes(vec![0xc5; 384])),
        (-2, Cbor::Bytes(vec![1, 0, 1])),
    ];
    let map = pairs.into_iter().map(|(name, value)| (Cbor::Integer(name), value)).collect();
    serde_cbor_2::to_vec(&Cbor::Map(map)).expect("CBOR")
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
