//! Supabase: rows of `auth.users`, with those of `auth.identities` and `auth.mfa_factors`.

use super::{
    draft::{COLUMNS, Columns, Draft, quoted},
    row::Row,
};

const OWN: Columns = Columns {
    verified: &[],
    verified_at: &["email_confirmed_at"],
    username: &[],
    name: &[],
    avatar: &[],
    hash: &["encrypted_password"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?;
    if row.get(&["deleted_at"]).is_some() {
        return Err("the user was deleted".to_owned());
    }
    draft.phone_verified_at = row.time(&["phone_confirmed_at"]);
    // A ban that ends is not taken over: Supabase writes a century for one that does not.
    let banned_until = row.time(&["banned_until"]).zip(draft.updated_at);
    draft.is_disabled = banned_until
        .is_some_and(|(until, now)| until.as_second() - now.as_second() > 10 * 365 * 86_400);
    let metadata = row.object("raw_user_meta_data");
    draft.display_name = metadata.text(&["full_name", "name", "display_name"]);
    draft.avatar_url = metadata.text(&["avatar_url", "picture"]);
    draft.user_metadata = metadata.into_members();
    let metadata = row.object("raw_app_meta_data");
    draft.roles = metadata.words("roles");
    draft.app_metadata = metadata.into_members();
    for identity in row.rows("identities") {
        let provider = identity.text(&["provider"]).unwrap_or_default();
        let profile = identity.object("identity_data");
        match provider.as_str() {
            "email" | "phone" => {}
            _ => {
                let subject = profile.text(&["sub", "provider_id"]);
                let subject = subject.or_else(|| identity.text(&["provider_id"]));
                draft.link(&provider, subject, &profile);
            }
        }
    }
    for factor in row.rows("factors") {
        let is_verified = factor.text(&["status"]).is_none_or(|status| status == "verified");
        match (factor.text(&["factor_type"]).unwrap_or_default().as_str(), is_verified) {
            (_, false) => {}
            ("totp", true) => {
                let secret = factor.text(&["secret"]).unwrap_or_default();
                draft.add_app(factor.text(&["friendly_name"]), &secret);
            }
            (kind, true) => draft.omit(format!("a second factor of the kind {}", quoted(kind))),
        }
    }
    Ok(draft)
}
