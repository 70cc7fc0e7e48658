//! WordPress: rows of `wp_users` with the capabilities of `wp_usermeta`.

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const OWN: Columns = Columns {
    id: &["ID", "id"],
    email: &["user_email"],
    username: &["user_login"],
    name: &["display_name"],
    hash: &["user_pass"],
    created_at: &["user_registered"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &OWN)?.without_email_as_username();
    if let Some(capabilities) = row.text(&["capabilities"]) {
        draft.roles = roles(&capabilities);
    }
    Ok(draft)
}

/// Returns the roles of a serialized array of PHP, such as `a:1:{s:6:"editor";b:1;}`.
fn roles(capabilities: &str) -> Vec<String> {
    let parts = capabilities.split("\";b:1;");
    let names = parts.filter_map(|part| part.rsplit_once(":\"").map(|(_, name)| name.to_owned()));
    let count = capabilities.matches("\";b:1;").count();
    names.take(count).collect()
}
