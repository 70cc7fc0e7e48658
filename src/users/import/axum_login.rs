//! axum-login: rows of a table in the form of its examples.

use super::{
    draft::{COLUMNS, Draft},
    row::Row,
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &COLUMNS)?.without_email_as_username();
    // Its example of permissions has them by groups.
    draft.roles.extend(row.words("groups"));
    draft.roles.extend(row.words("permissions"));
    Ok(draft)
}
