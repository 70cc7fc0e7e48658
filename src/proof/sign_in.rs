//! From the first factor to a session, or to what is still to be proved.

use serde_json::{Map, Value, json};

use super::{Letterhead, Outcome, ask::Asked};
use crate::{
    auth::Core,
    clock::whole_millis,
    crypto::{
        digest::{Digest, Domain},
        handle::{Handle, HandleKind},
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{Client, Factor, Proof, Session, Transport, Upstream, User, UserId},
    session::Beginning,
    store::{Challenge, ChallengeKind, CredentialKind, Edited, Renewal, Use},
};

/// How long a device is known after its last sign-in.
const SEEN: std::time::Duration = std::time::Duration::from_secs(400 * 24 * 3600);

/// A sign-in whose first factor was proved.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) user: User,
    pub(crate) proof: Proof,
    pub(crate) transport: Transport,
    pub(crate) client: Client,
    /// The token of a remembered device.
    pub(crate) device: Option<String>,
    pub(crate) upstream: Option<Upstream>,
    /// The use of what was proved, if it keeps any.
    pub(crate) using: Option<Use>,
}

impl Attempt {
    pub(crate) fn new(user: User, proof: Proof, transport: Transport, client: Client) -> Self {
        Self { user, proof, transport, client, device: None, upstream: None, using: None }
    }
}

impl Core {
    /// A session, unless a code is still wanted: where addresses are proved and this one is
    /// not, or where a sign-in asks for a code and the device is not remembered.
    pub(crate) async fn finish_sign_in(&self, attempt: Attempt) -> Result<Outcome, AuthError> {
        let Attempt { user, proof, transport, client, device, upstream, using } = attempt;
        self.may_sign_in(&user, proof.method, &client).await?;
        let unproved = user.email_verified_at.is_none();
        let wanted = match self.codes.get() {
            None => false,
            Some(policy) if policy.sign_up && unproved => true,
            // A passkey is two factors by itself, and stronger than a code.
            Some(_) if proof.method == Factor::Passkey => false,
            Some(policy) => policy.sign_in && !self.is_remembered(&user, device).await?,
        };
        let Some(email) = user.email.as_ref().filter(|_| wanted) else {
            let beginning =
                Beginning { upstream, using, ..Beginning::new(vec![proof], transport, client) };
            let session = self.sessions.begin_with(&user, beginning).await?;
            self.note_device(&user, &session.session, true);
            return Ok(Outcome::complete(user, session));
        };
        if let Some(using) = &using
            && !self.credentials.use_credential(using).await?
        {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let mut data = Map::new();
        data.insert("factors".to_owned(), json!([proof]));
        data.insert("transport".to_owned(), json!(transport));
        data.insert("upstream".to_owned(), json!(upstream));
        let letter = Letterhead { kind: MessageKind::SignInCode, to: email, user: Some(&user) };
        let asked = Asked {
            kind: ChallengeKind::SignIn,
            letter,
            decoy: false,
            data,
            ip: client.ip.as_deref(),
        };
        let mut pending = self.ask(asked).await?;
        if !unproved && self.has_passkey(&user.id).await? {
            pending.methods.push("passkey");
        }
        Ok(Outcome::Pending(pending))
    }

    /// Whether a user could prove a passkey.
    async fn has_passkey(&self, user: &UserId) -> Result<bool, AuthError> {
        if self.passkeys.get().is_none() {
            return Ok(false);
        }
        let all = self.credentials.list_credentials(user).await?;
        Ok(all.iter().any(|own| own.kind == CredentialKind::Passkey))
    }

    /// The session of a pending sign-in for which a passkey was proved in place of the code.
    pub(crate) async fn complete_by_passkey(
        &self,
        challenge: &Challenge,
        user: User,
        using: Use,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let data = &challenge.data;
        let mut factors: Vec<Proof> = read(data, "factors")?;
        factors.push(Proof { method: Factor::Passkey, at: whole_millis(self.clock.now()) });
        let (transport, upstream) = (read(data, "transport")?, read(data, "upstream")?);
        let beginning = Beginning {
            upstream,
            using: Some(using),
            ..Beginning::new(factors, transport, client)
        };
        let issued = self.sessions.begin_with(&user, beginning).await?;
        self.note_device(&user, &issued.session, true);
        Ok(Outcome::complete(user, issued))
    }

    /// The session of a sign-in whose code was right. An address that had no proof has one now,
    /// and what came about before it is gone: other sessions, and every credential but the
    /// password, which this very sign-in proved.
    pub(crate) async fn complete_sign_in(
        &self,
        challenge: &Challenge,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let id = challenge.user_id.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(id).await?;
        let user = user.filter(|user| user.is_active() && user.email == challenge.address);
        let mut user = user.ok_or(ErrorKind::ChallengeExpired)?;
        let now = whole_millis(self.clock.now());
        if user.email_verified_at.is_none() {
            let kind = CredentialKind::Password;
            let password = self.credentials.find_credential(kind, id.as_str()).await?;
            self.claim(&mut user, password.as_ref(), false).await?;
        }
        let data = &challenge.data;
        let mut factors: Vec<Proof> = read(data, "factors")?;
        factors.push(Proof { method: Factor::EmailCode, at: now });
        let (transport, upstream) = (read(data, "transport")?, read(data, "upstream")?);
        let beginning = Beginning { upstream, ..Beginning::new(factors, transport, client) };
        let issued = self.sessions.begin_with(&user, beginning).await?;
        self.note_device(&user, &issued.session, true);
        Ok(Outcome::complete(user, issued))
    }

    /// The address of a user was proved for the first time: what was there before it goes.
    pub(crate) async fn claim(
        &self,
        user: &mut User,
        password: Option<&crate::store::Credential>,
        anew: bool,
    ) -> Result<(), AuthError> {
        let now = whole_millis(self.clock.now());
        let change =
            Renewal { user: &user.id, password, spend: None, everything: true, keep: None };
        self.credentials.renew_security(&change, now).await?;
        (user.email_verified_at, user.updated_at) = (Some(now), now);
        self.write_claim(user, anew).await?;
        self.events.record(self.event(EventKind::EmailVerified).user(&user.id));
        Ok(())
    }

    /// Notes that a user has proved the address.
    pub(crate) async fn prove_email(&self, user: &User) -> Result<(), AuthError> {
        let now = whole_millis(self.clock.now());
        let proved = User { email_verified_at: Some(now), updated_at: now, ..user.clone() };
        self.write_claim(&proved, false).await
    }

    /// Writes what a claim changes; with `anew`, also what the claimant says of themselves, as
    /// far as there is a place for it.
    async fn write_claim(&self, claimed: &User, anew: bool) -> Result<(), AuthError> {
        for anew in [anew, false] {
            let edit = |user: &mut User| {
                user.email_verified_at = claimed.email_verified_at;
                user.updated_at = claimed.updated_at;
                if anew {
                    user.display_name.clone_from(&claimed.display_name);
                    user.user_metadata.clone_from(&claimed.user_metadata);
                }
                user.email == claimed.email
            };
            match self.users.edit_user(&claimed.id, &edit, None).await? {
                Edited::Done(_) => break,
                Edited::NotKept(_) if anew => {}
                _ => return Err(ErrorKind::ChallengeExpired.into()),
            }
        }
        Ok(())
    }

    /// A token by which this device need not give a code for a while.
    pub(crate) async fn remember_device(&self, user: &User) -> Result<Handle, AuthError> {
        let policy = self.code_policy()?;
        let handle = Handle::random(HandleKind::Device)?;
        let challenge = self.of_user(ChallengeKind::Device, handle.digest(), user, policy.remember);
        self.challenges.insert_challenge(&challenge).await?;
        Ok(handle)
    }

    /// Every device of a user has to give a code again.
    pub(crate) async fn forget_devices(&self, user: &UserId) -> Result<(), AuthError> {
        Ok(self.challenges.delete_challenges(user, ChallengeKind::Device).await?)
    }

    async fn is_remembered(&self, user: &User, device: Option<String>) -> Result<bool, AuthError> {
        let handle = device.and_then(|text| Handle::parse(HandleKind::Device, &text));
        let Some(handle) = handle else { return Ok(false) };
        let found = self.challenges.find_challenge(&handle.digest(), self.clock.now()).await?;
        Ok(found.is_some_and(|device| {
            device.kind == ChallengeKind::Device && device.user_id.as_ref() == Some(&user.id)
        }))
    }

    /// Notes from which sort of device somebody signed in, and tells them where it is a new one.
    pub(crate) fn note_device(&self, user: &User, session: &Session, tell: bool) {
        if !self.notices || self.outbox.is_none() {
            return;
        }
        let agent = session.client.user_agent.as_deref().unwrap_or_default();
        let id = Digest::of(Domain::DEVICE, format!("{}\0{agent}", user.id).as_bytes());
        let challenge = self.of_user(ChallengeKind::Seen, id, user, SEEN);
        let (core, user, session) = (self.shared(), user.clone(), session.id);
        let Some(core) = core else { return };
        tokio::spawn(async move {
            match core.challenges.see(&challenge, session).await {
                Ok(true) if tell => {
                    let event = core.event(EventKind::NewDevice).user(&user.id);
                    core.events.record(event.session(session));
                    core.notify(&user, MessageKind::NewDevice);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(cause = %error, "a device was not noted"),
            }
        });
    }

    pub(super) fn of_user(
        &self,
        kind: ChallengeKind,
        id: Digest,
        user: &User,
        life: std::time::Duration,
    ) -> Challenge {
        let now = whole_millis(self.clock.now());
        Challenge {
            id,
            kind,
            user_id: Some(user.id.clone()),
            address: user.email.clone(),
            code: None,
            tries: 0,
            data: Value::Object(Map::new()),
            created_at: now,
            expires_at: now + life,
        }
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(
    data: &Value,
    name: &str,
) -> Result<T, AuthError> {
    let value = data.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|_| ErrorKind::ChallengeExpired.into())
}
