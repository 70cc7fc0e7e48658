//! Revocation by tags in SQL.
//!
//! Triggers write the tags of a session or a challenge into `auth_tags`, and delete them with it.

use super::{Db, db::Arg};
use crate::store::SessionTag;

/// Deletes the sessions that have all of these tags, and returns their ids. `None` without tags.
pub(super) fn delete_sessions<DB: Db>(tags: &[SessionTag]) -> Option<(String, Vec<Arg>)> {
    let (tagged, args) = tagged::<DB>(tags, "auth_sessions", "factors")?;
    Some((format!("DELETE FROM auth_sessions WHERE {tagged} RETURNING id"), args))
}

/// Deletes the pending sign-ins, sign-ups and approvals of programs that have all of these tags. `None` without tags.
pub(super) fn delete_challenges<DB: Db>(tags: &[SessionTag]) -> Option<(String, Vec<Arg>)> {
    let (tagged, args) = tagged::<DB>(tags, "auth_challenges", "data")?;
    let kinds = "kind IN ('sign_in', 'sign_up', 'exchange', 'device_approval')";
    Some((format!("DELETE FROM auth_challenges WHERE {tagged} AND {kinds}"), args))
}

/// Returns the condition that a row has all of these tags. The first one selects the rows. The
/// proofs of a credential are in the column `proofs`.
fn tagged<DB: Db>(tags: &[SessionTag], table: &str, proofs: &str) -> Option<(String, Vec<Arg>)> {
    let mut args: Vec<Arg> = Vec::new();
    let mut conditions = Vec::new();
    for tag in tags {
        args.push(tag.as_str().into());
        let own = format!("tag = CAST(${} AS TEXT)", args.len());
        let mut condition = match conditions.is_empty() {
            true if DB::IS_POSTGRES => {
                format!("id = ANY(ARRAY(SELECT owner FROM auth_tags WHERE {own}))")
            }
            true => format!("id IN (SELECT owner FROM auth_tags WHERE {own})"),
            false => format!(
                "EXISTS (SELECT 1 FROM auth_tags own WHERE own.{own} AND own.owner = {table}.id)"
            ),
        };
        if let Some((user, proof)) = tag.proof() {
            args.extend([user.as_str().into(), format!("%\"by\":\"{}\"%", proof.to_text()).into()]);
            let (user, proof) = (args.len().saturating_sub(1), args.len());
            condition = format!(
                "({condition} OR (user_id = CAST(${user} AS TEXT) AND {proofs} LIKE ${proof}))"
            );
        }
        conditions.push(condition);
    }
    (!conditions.is_empty()).then(|| (conditions.join(" AND "), args))
}
