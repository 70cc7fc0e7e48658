//! Sign-ups whose email address must be verified first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Letterhead, Outcome, Pending, SessionTag,
    account::{new_user_id, password_credential},
    adding::WaitingCredential,
    code::Asked,
    credentials::TAKEN,
    dpop::PENDING_SIGN_UP,
    outcome::SignUpOutcome,
    second_step::read,
    sign_up::{AccountDraft, AnonymousSession},
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    mail::MessageKind,
    model::{ClientInfo, Email, Factor, FactorProof, TokenDelivery, User, UserId},
    services::Core,
    session::{NewSession, same_key},
    store::{Challenge, ChallengeKind, CreateUserOutcome, Credential},
};

/// A sign-up whose email address is not verified yet. No user exists until then.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignUpData {
    /// The hash of the password.
    #[serde(default)]
    hash: Option<String>,
    /// The credential, if it is not a password.
    #[serde(default)]
    credential: Option<WaitingCredential>,
    /// The factors that were verified, if it is not a sign-up with a password.
    #[serde(default)]
    proofs: Vec<FactorProof>,
    display_name: Option<String>,
    user_metadata: Map<String, Value>,
    #[serde(flatten)]
    delivery: TokenDelivery,
    /// The anonymous user of the session that requested it.
    #[serde(default)]
    anonymous: Option<UserId>,
    /// The session; `None` if an earlier version stored the sign-up.
    #[serde(default)]
    anonymous_session: Option<AnonymousSession>,
    #[serde(default)]
    draft: Draft,
    /// The tags of the session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<SessionTag>,
}

/// The fields that hooks set before a sign-up, and the values that they stored.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Draft {
    /// The id that hooks have seen; `None` if an earlier version stored the sign-up.
    id: Option<UserId>,
    username: Option<String>,
    phone: Option<String>,
    phone_verified_at: Option<Timestamp>,
    avatar_url: Option<String>,
    tenant_id: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Map<String, Value>,
    app_metadata: Map<String, Value>,
    extra: Map<String, Value>,
    kept: Map<String, Value>,
}

impl Draft {
    /// Sets the fields of a new user, and returns the stored values.
    fn apply(self, user: &mut User) -> Map<String, Value> {
        if let Some(id) = self.id {
            user.id = id;
        }
        (user.username, user.phone, user.avatar_url) = (self.username, self.phone, self.avatar_url);
        (user.tenant_id, user.roles, user.scopes) = (self.tenant_id, self.roles, self.scopes);
        (user.attributes, user.app_metadata) = (self.attributes, self.app_metadata);
        (user.phone_verified_at, user.extra) = (self.phone_verified_at, self.extra);
        self.kept
    }
}

impl SignUpData {
    /// Creates the sign-up of a user, with the values that hooks stored.
    pub(crate) fn new(user: User, kept: Map<String, Value>, delivery: TokenDelivery) -> Self {
        let draft = Draft {
            id: Some(user.id),
            username: user.username,
            phone: user.phone,
            phone_verified_at: user.phone_verified_at,
            avatar_url: user.avatar_url,
            tenant_id: user.tenant_id,
            roles: user.roles,
            scopes: user.scopes,
            attributes: user.attributes,
            app_metadata: user.app_metadata,
            extra: user.extra,
            kept,
        };
        Self {
            hash: None,
            credential: None,
            proofs: Vec::new(),
            display_name: user.display_name,
            user_metadata: user.user_metadata,
            delivery,
            anonymous: None,
            anonymous_session: None,
            draft,
            tags: Vec::new(),
        }
    }

    /// Adds the hash of the password.
    pub(crate) fn password(self, hash: String) -> Self {
        Self { hash: Some(hash), ..self }
    }

    /// Adds the factors that were verified, the credential of a flow, and the tags of the session.
    pub(super) fn verified(
        self,
        proofs: Vec<FactorProof>,
        credential: Option<Credential>,
        tags: Vec<SessionTag>,
    ) -> Self {
        let credential = credential.as_ref().map(WaitingCredential::new);
        Self { proofs, credential, tags, ..self }
    }

    /// Sets the anonymous user of the session that requested it.
    pub(crate) fn from(self, anonymous: Option<(UserId, AnonymousSession)>) -> Self {
        let (anonymous, anonymous_session) = anonymous.unzip();
        Self { anonymous, anonymous_session, ..self }
    }

    /// Returns the credential of the new user.
    fn credential(
        hash: Option<&str>,
        own: Option<WaitingCredential>,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<Credential>, AuthError> {
        match own {
            Some(own) => own.row(user, now).map(Some),
            None => hash.map(|hash| password_credential(user, hash, now)).transpose(),
        }
    }
}

impl Core {
    /// Requests the verification of the email address of a sign-up. The response, the work and the
    /// number of messages are the same whether or not the email address is registered.
    pub(crate) async fn ask_for_proof(
        &self,
        email: Email,
        data: SignUpData,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        let owner = self.users.find_user_by_email(&email).await?;
        let taken = owner.is_some_and(|owner| owner.email_verified_at.is_some());
        let mut members = Map::new();
        if !data.tags.is_empty() {
            members.insert("tags".to_owned(), json!(data.tags));
        }
        members.insert(PENDING_SIGN_UP.to_owned(), json!(data));
        let kind = if taken { MessageKind::AlreadyRegistered } else { MessageKind::SignUpCode };
        let letter = Letterhead { kind, to: &email, user: None };
        let kind = ChallengeKind::SignUp;
        self.ask(Asked { kind, letter, decoy: taken, data: members, client }).await
    }

    /// Creates the user of a sign-up whose email address was verified. If an unverified account has
    /// that address, it is handed over, without any of its previous data.
    pub(crate) async fn complete_sign_up(
        &self,
        challenge: &Challenge,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let email = challenge.address.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let data: SignUpData = read(&challenge.data, PENDING_SIGN_UP)?;
        let now = whole_millis(self.clock.now());
        let mut user = User {
            email: Some(email.clone()),
            email_verified_at: Some(now),
            display_name: data.display_name,
            user_metadata: data.user_metadata,
            ..User::new(new_user_id(now)?, now)
        };
        let kept = data.draft.apply(&mut user);
        let hash = data.hash.as_deref();
        let credential = SignUpData::credential(hash, data.credential, &user.id, now)?;
        if hash.is_some() && !self.passwords()?.allows_sign_up() {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        let mut proofs = data.proofs;
        if hash.is_some() {
            proofs.push(FactorProof::new(Factor::Password, now));
        }
        proofs.push(FactorProof::new(Factor::EmailCode, now));
        let first = proofs.first().map_or(Factor::EmailCode, |own| own.method);
        self.may_sign_in(&user, first, &client).await?;
        let jkt = same_key(data.delivery.transport, data.delivery.jkt)?;
        let delivery = TokenDelivery { jkt, ..data.delivery };
        let tags = data.tags;
        let beginning = NewSession { tags, ..NewSession::new(proofs, delivery, client) };
        let account = AccountDraft {
            user: &user,
            credential: credential.as_ref(),
            anonymous: data.anonymous.as_ref(),
            anonymous_session: data.anonymous_session,
            kept: kept.clone(),
        };
        // A pending sign-up does not reserve its username: if another user has it in the meantime,
        // the user begins without one.
        let unnamed = User { username: None, ..user.clone() };
        let mut made = self.take_in(account.clone(), beginning.clone()).await?;
        if matches!(made, SignUpOutcome::Rejected(CreateUserOutcome::UsernameTaken)) {
            let account = AccountDraft { user: &unnamed, ..account };
            made = self.take_in(account, beginning.clone()).await?;
        }
        let (user, issued) = match made.created() {
            Ok(made) => made,
            Err(CreateUserOutcome::Refused) => return Err(ErrorKind::SignUpDisabled.into()),
            Err(CreateUserOutcome::CredentialTaken) => return Err(TAKEN.into()),
            Err(_) => {
                let claim =
                    |wanted| self.take_over(wanted, credential.as_ref(), &kept, beginning.clone());
                match claim(&user).await {
                    Err(error)
                        if error.kind() == ErrorKind::EmailTaken && user.username.is_some() =>
                    {
                        claim(&unnamed).await?
                    }
                    claimed => claimed?,
                }
            }
        };
        self.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }
}
