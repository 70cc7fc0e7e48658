//! Devise: rows of the table of users.

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const OWN: Columns = Columns { hash: &["encrypted_password"], ..COLUMNS };

pub(super) fn map(row: &Row, is_peppered: bool) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?;
    if is_peppered {
        draft.hash = draft.hash.map(|hash| format!("devise${hash}"));
    }
    draft.phone_verified_at = None;
    // OmniAuth: two columns of the user, or a table of identities.
    if let Some(provider) = row.text(&["provider"]).filter(|own| own != "email") {
        draft.link(&provider, row.text(&["uid"]), row);
    }
    for identity in row.rows("identities") {
        let provider = identity.text(&["provider"]).unwrap_or_default();
        draft.link(&provider, identity.text(&["uid"]), &identity);
    }
    if row.flag(&["otp_required_for_login"]) == Some(true) {
        draft.omit("two-factor authentication: its secret is encrypted by the application");
    }
    Ok(draft)
}
