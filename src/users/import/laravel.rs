//! Laravel: rows of the table `users`.

use super::{
    draft::{COLUMNS, Draft},
    row::Row,
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = Draft::read(row, &COLUMNS)?;
    if row.get(&["deleted_at"]).is_some() {
        return Err("the user was deleted".to_owned());
    }
    for (column, provider) in
        [("google_id", "google"), ("github_id", "github"), ("apple_id", "apple")]
    {
        if let Some(subject) = row.text(&[column]) {
            draft.link(provider, Some(subject), row);
        }
    }
    if row.text(&["two_factor_secret"]).is_some() {
        draft.omit("two-factor authentication: its secret is encrypted with APP_KEY");
    }
    Ok(draft)
}
