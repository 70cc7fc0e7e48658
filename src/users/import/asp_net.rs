//! ASP.NET Core Identity: rows of `AspNetUsers` with roles, logins and the key of authenticator apps.

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const OWN: Columns = Columns {
    id: &["Id"],
    email: &["Email"],
    verified: &["EmailConfirmed"],
    verified_at: &[],
    username: &["UserName"],
    name: &["DisplayName", "Name", "FullName"],
    phone: &["PhoneNumber"],
    phone_verified: &["PhoneNumberConfirmed"],
    hash: &["PasswordHash"],
    roles: "Roles",
    created_at: &["CreatedAt"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?.without_email_as_username();
    // A lockout without an end is `DateTimeOffset.MaxValue`; others end by themselves.
    draft.is_disabled = row.text(&["LockoutEnd"]).is_some_and(|end| end.starts_with("9999-"));
    for login in row.rows("Logins") {
        let provider = login.text(&["LoginProvider"]).unwrap_or_default();
        draft.link(&provider, login.text(&["ProviderKey"]), &login);
    }
    if let Some(key) = row.text(&["AuthenticatorKey"]) {
        if row.flag(&["TwoFactorEnabled"]) == Some(true) {
            draft.add_app(None, &key);
        }
    } else if row.flag(&["TwoFactorEnabled"]) == Some(true) {
        draft.omit("two-factor authentication: the row has no AuthenticatorKey");
    }
    Ok(draft)
}
