//! Fixtures of the rules.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    crypto::digest::{Digest, Domain},
    model::{
        ClientInfo, Email, Factor, FactorProof, Session, SessionId, Transport, User, UserId,
        UserStatus,
    },
    store::{
        AccountStore, Challenge, ChallengeKind, CreateUserOutcome, Credential, CredentialKind,
        DeviceChallenges, EditOutcome, InsertOptions, SessionLimit, SessionRow, Store, UserOrigin,
    },
};

pub(super) fn begun_at(byte: u8, user: &str, second: i64) -> SessionRow {
    let mut row = session(byte, &UserId::new(user));
    row.session.created_at = at(second);
    row
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second) + SignedDuration::from_millis(7)
}

pub(super) fn user_with(id: &str, email: &str) -> User {
    let email = Email::parse(email).expect("an address");
    User { email: Some(email), ..User::new(UserId::new(id), at(0)) }
}

pub(super) async fn sign_up(store: &Arc<dyn Store>, email: &str) -> User {
    let user = user_with(email, email);
    let outcome = create(&**store, &user, Some(&password_of(&user.id))).await;
    assert!(matches!(outcome, CreateUserOutcome::Created(_)));
    user
}

pub(super) async fn create(
    users: &dyn AccountStore,
    user: &User,
    credential: Option<&Credential>,
) -> CreateUserOutcome {
    users.create_user(user, credential, UserOrigin::SignUp.into()).await.expect("create")
}

pub(super) async fn ban(store: &Arc<dyn Store>, id: &UserId) {
    let edit = |user: &mut User| {
        user.status = UserStatus::Disabled;
        true
    };
    let edited = store.edit_user(id, &edit, None).await.expect("edit");
    assert!(matches!(edited, EditOutcome::Done(_)), "{edited:?}");
}

pub(super) fn password_of(user: &UserId) -> Credential {
    Credential {
        id: format!("credential of {user}"),
        user_id: user.clone(),
        kind: CredentialKind::Password,
        lookup: user.as_str().to_owned(),
        data: json!({ "hash": "old" }),
        created_at: at(0),
        updated_at: at(0),
        last_used_at: None,
    }
}

pub(super) fn session(byte: u8, user: &UserId) -> SessionRow {
    let id = SessionId::from_bytes([byte; 16]);
    let session = Session {
        expires_at: at(4000),
        access_expires_at: at(1000),
        refresh_expires_at: at(2000),
        factors: vec![FactorProof::new(Factor::Password, at(0))],
        client: ClientInfo {
            ip: Some("::1".to_owned()),
            user_agent: Some("t\u{e9}st".to_owned()),
            ..ClientInfo::default()
        },
        ..Session::new(id, user.clone(), Transport::Bearer, at(0))
    };
    SessionRow {
        session,
        nonce: [1; 32],
        salt: [2; 32],
        generation: u32::MAX,
        lineage_hash: Digest::hash(Domain::LINEAGE, b"lineage"),
        refresh_hash: Digest::hash(Domain::REFRESH, b"refresh"),
        access_hash: Digest::hash(Domain::ACCESS, b"access"),
        previous_access: Some((Digest::hash(Domain::ACCESS, b"previous"), at(500))),
        rotated_at: Some(at(10)),
        confirmed_at: None,
        former: Vec::new(),
        tags: Vec::new(),
        has_impersonated: false,
        challenges: DeviceChallenges::default(),
    }
}

pub(super) fn at_most(sessions: u32) -> InsertOptions {
    InsertOptions { at_most: Some(SessionLimit::new(sessions)), ..InsertOptions::default() }
}

pub(super) fn seen_device(byte: u8, user: &UserId) -> Challenge {
    Challenge {
        id: Digest::hash(Domain::DEVICE, &[byte]),
        kind: ChallengeKind::KnownDevice,
        user_id: Some(user.clone()),
        address: None,
        code: None,
        tries: 0,
        data: json!({}),
        created_at: at(0),
        expires_at: at(9000),
    }
}

pub(super) async fn seen(store: &Arc<dyn Store>, id: SessionId) -> Timestamp {
    let found = store.find(id).await.expect("find").expect("there");
    found.row.session.last_seen_at
}
