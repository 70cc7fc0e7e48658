//! Passkeys: sign-in by WebAuthn Level 3, as a first factor, a second one, and a step-up.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`rp_id`](Passkeys::rp_id) | the host of the first origin | every origin must be it or below it; passkeys are bound to it for good |
//! | [`resident_key`](Passkeys::resident_key) | required | so that one signs in without typing a name |
//! | [`most`](Passkeys::most) | 20 a user | a bound for lists and rows |
//! | [`sign_up`](Passkeys::sign_up) | off | an account without a password; the address is not proved |
//! | [`page`](Passkeys::page) | none | where one manages passkeys, for password managers |
//! | [`only_by_passkey`](Passkeys::only_by_passkey) | off | whether a user who has one must prove one to add or remove one |
//!
//! User verification is required and attestation is `none`, and neither is a knob: a passkey
//! counts as two factors because of the first (without it, it would be one, and a stolen key
//! would sign in), and which make it is of is nobody's business.
//!
//! What is guaranteed: a ceremony is good once, for ten minutes, for its purpose and its
//! user, and is gone before anything of its answer is looked at, whatever comes of it. Every
//! failure looks alike, an address that nobody has too. webauthn-rs checks the ceremonies;
//! what it leaves to its caller is in `check.rs`.

mod ceremony;
mod check;
mod flow;
mod manage;
mod options;
mod prove;
mod routes;
mod service;
mod sign_up;

pub use prove::ProofOf;
pub use service::{Ceremony, PasskeyService};

/// The flow, before it is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct Passkeys {
    name: String,
    rp_id: Option<String>,
    resident_key: bool,
    most: u32,
    only_by_passkey: bool,
    sign_up: bool,
    page: Option<String>,
}

impl Passkeys {
    /// Passkeys for an application of this name, which people see when they choose one.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rp_id: None,
            resident_key: true,
            most: 20,
            only_by_passkey: false,
            sign_up: false,
            page: None,
        }
    }

    /// Sets the domain that passkeys are bound to: that of the origins or one above it.
    pub fn rp_id(mut self, domain: impl Into<String>) -> Self {
        self.rp_id = Some(domain.into());
        self
    }

    /// Sets whether a passkey must be one that is found without a name; otherwise that is
    /// preferred.
    pub fn resident_key(mut self, required: bool) -> Self {
        self.resident_key = required;
        self
    }

    /// Sets whether somebody new may sign up with an address and a passkey, and no password.
    ///
    /// # Security
    ///
    /// The address is not proved; where [`Codes`](crate::Codes) wants that at sign-up, nobody
    /// signs up this way.
    pub fn sign_up(mut self, on: bool) -> Self {
        self.sign_up = on;
        self
    }

    /// Names the page on which one adds and removes passkeys: password managers are told of it
    /// at `/.well-known/passkey-endpoints`, by [`Auth::well_known`](crate::Auth::well_known).
    pub fn page(mut self, path: impl Into<String>) -> Self {
        self.page = Some(path.into());
        self
    }

    /// Sets how many passkeys a user may have.
    pub fn most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Sets whether a user who has a passkey must have proved one lately to add or remove one.
    ///
    /// # Security
    ///
    /// With it, a stolen password adds no passkey; and whoever lost all passkeys can take none
    /// off the list.
    pub fn only_by_passkey(mut self, on: bool) -> Self {
        self.only_by_passkey = on;
        self
    }
}
