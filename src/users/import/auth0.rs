//! Auth0: the export of users as lines of JSON, and the export of password hashes by its support.

use super::{
    draft::{COLUMNS, Columns, Draft},
    row::Row,
};

const OWN: Columns = Columns {
    id: &["user_id", "id"],
    verified_at: &[],
    avatar: &["picture"],
    hash: &["passwordHash", "password_hash"],
    roles: "roles",
    created_at: &["created_at", "password_set_date"],
    ..COLUMNS
};

pub(super) fn map(row: &Row) -> Result<Draft, String> {
    let mut draft = match Draft::read(row, &OWN) {
        Ok(draft) => draft,
        Err(problem) => {
            // A record of the export of hashes has the id of the database connection.
            let object_id = row.object("_id").text(&["$oid"]).ok_or(problem)?;
            let id = serde_json::json!({ "user_id": format!("auth0|{object_id}") });
            let mut members = serde_json::Map::new();
            for name in ["email", "email_verified", "username", "passwordHash", "password_set_date"]
            {
                members.insert(name.to_owned(), row.get(&[name]).cloned().unwrap_or_default());
            }
            members.extend(id.as_object().cloned().unwrap_or_default());
            Row::of(members.into())
                .map_or(Err("the id is missing".to_owned()), |row| Draft::read(&row, &OWN))?
        }
    };
    // Without a name, Auth0 shows the email address.
    draft.display_name = draft.display_name.take_if(|name| !name.contains('@'));
    draft.is_disabled = row.flag(&["blocked"]) == Some(true);
    draft.user_metadata = row.object("user_metadata").into_members();
    draft.app_metadata = row.object("app_metadata").into_members();
    for identity in row.rows("identities") {
        let provider = identity.text(&["provider"]).unwrap_or_default();
        let profile = identity.object("profileData");
        match provider.as_str() {
            "auth0" => {}
            "email" | "sms" => draft.omit("the sign-in by code: set up the flow EmailSignIn"),
            _ => draft.link(&provider, identity.text(&["user_id"]), &profile),
        }
    }
    if !row.list("multifactor").is_empty() {
        draft.omit("multi-factor authentication: Auth0 does not export its secrets");
    }
    Ok(draft)
}
