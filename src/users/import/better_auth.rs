//! better-auth: the table `user`, with the rows of `account` as the column `accounts`.

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const OWN: Columns = Columns {
    verified: &["emailVerified", "email_verified"],
    username: &["displayUsername", "display_username", "username"],
    avatar: &["image"],
    phone: &["phoneNumber", "phone_number"],
    phone_verified: &["phoneNumberVerified", "phone_number_verified"],
    hash: &[],
    roles: "role",
    created_at: &["createdAt", "created_at"],
    updated_at: &["updatedAt", "updated_at"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?;
    draft.is_disabled = row.flag(&["banned"]) == Some(true);
    // The plugin `admin` gives this role to every user.
    draft.roles.retain(|role| role != "user");
    for account in row.rows("accounts") {
        let provider = account.text(&["providerId", "provider_id"]).unwrap_or_default();
        if provider == "credential" {
            draft.hash = account.text(&["password"]);
        } else {
            draft.link(&provider, account.text(&["accountId", "account_id"]), &account);
        }
    }
    if row.flag(&["twoFactorEnabled", "two_factor_enabled"]) == Some(true) {
        draft.omit(
            "two-factor authentication: its secret is encrypted with the secret of better-auth",
        );
    }
    Ok(draft)
}
