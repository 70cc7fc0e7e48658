//! Statements that replace the tokens of a session and bind it to a key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{
    Db, SqlStore,
    row::json_text,
    session_row::{bound_name, transport_name},
};
use crate::{
    crypto::digest::Digest,
    model::{BindingKind, SessionBinding, SessionId},
    store::{DeviceChallenges, SessionRow, StoreError},
};

impl<DB: Db> SqlStore<DB> {
    pub(super) async fn rotate_session(
        &self,
        from: &SessionRow,
        to: &SessionRow,
    ) -> Result<bool, StoreError> {
        let (previous, previous_until) = to.previous_access.unzip();
        let mut args = vec![
            URL_SAFE_NO_PAD.encode(to.salt).into(),
            i64::from(to.generation).into(),
            to.lineage_hash.to_base64().into(),
            to.refresh_hash.to_base64().into(),
            to.access_hash.to_base64().into(),
            to.session.access_expires_at.into(),
            previous.map(Digest::to_base64).into(),
            previous_until.into(),
            to.session.refresh_expires_at.into(),
            to.rotated_at.into(),
            to.confirmed_at.into(),
            to.session.last_seen_at.into(),
            from.session.id.to_string().into(),
            i64::from(from.generation).into(),
            URL_SAFE_NO_PAD.encode(from.salt).into(),
            transport_name(&from.session).into(),
        ];
        let sql = match from.session.bound() {
            Some(BindingKind::Device) => {
                args.push(json_text(&to.challenges)?.into());
                ROTATE_DEVICE
            }
            _ => ROTATE,
        };
        Ok(self.changes.begin_session_change(from.session.id).run(self.execute(sql, args)).await?
            == 1)
    }

    pub(super) async fn bind_session(
        &self,
        id: SessionId,
        binding: &SessionBinding,
    ) -> Result<bool, StoreError> {
        let transport = bound_name(binding.kind()).into();
        let challenges = json_text(&DeviceChallenges::default())?.into();
        let args = vec![id.to_string().into(), binding.to_text().into(), transport, challenges];
        let bound = self.execute(BIND, args);
        Ok(self.changes.begin_session_change(id).run(bound).await? == 1)
    }

    pub(super) async fn replace_challenges(
        &self,
        id: SessionId,
        from: &DeviceChallenges,
        to: &DeviceChallenges,
    ) -> Result<bool, StoreError> {
        let (from, to) = (json_text(from)?.into(), json_text(to)?.into());
        Ok(self.execute(SET_CHALLENGES, vec![id.to_string().into(), from, to]).await? == 1)
    }

    pub(super) async fn record_mismatch(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(NOTE_MISMATCH, vec![id.to_string().into(), now.into()]).await? == 1)
    }
}

/// The transport is another one if the session was bound in the meantime.
macro_rules! rotate {
    ($more:literal) => {
        concat!(
            "UPDATE auth_sessions SET salt = $1, generation = $2, lineage_hash = $3,
            refresh_hash = $4, access_hash = $5, access_expires_at = $6, previous_access_hash = $7,
            previous_access_expires_at = $8, refresh_expires_at = $9, rotated_at = $10,
            confirmed_at = $11, last_seen_at = $12",
            $more,
            " WHERE id = CAST($13 AS TEXT) AND generation = $14 AND salt = $15
            AND transport = CAST($16 AS TEXT)"
        )
    };
}

const ROTATE: &str = rotate!("");
const ROTATE_DEVICE: &str = rotate!(", challenges = $17");

const BIND: &str = "UPDATE auth_sessions SET binding = $2, transport = $3, challenges = $4
    WHERE id = CAST($1 AS TEXT) AND binding IS NULL";

const SET_CHALLENGES: &str = "UPDATE auth_sessions SET challenges = CAST($3 AS TEXT)
    WHERE id = CAST($1 AS TEXT) AND challenges = CAST($2 AS TEXT)";

const NOTE_MISMATCH: &str = "UPDATE auth_sessions SET mismatch_at = $2
    WHERE id = CAST($1 AS TEXT) AND mismatch_at IS NULL";
