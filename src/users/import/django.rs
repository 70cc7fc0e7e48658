//! Django: rows of `auth_user` with groups and authenticator apps, or the output of `dumpdata`.

use serde_json::Value;

use super::{
    draft::{COLUMNS, Columns, Draft, quoted},
    row::Row,
};

const OWN: Columns = Columns {
    id: &["id", "pk"],
    name: &[],
    hash: &["password"],
    roles: "groups",
    created_at: &["date_joined", "created_at"],
    ..COLUMNS
};

pub(super) fn map(row: Row) -> Result<Draft, String> {
    let row = fields(row)?;
    let mut draft = Draft::read(&row, &OWN)?.without_email_as_username();
    let names = [row.text(&["first_name"]), row.text(&["last_name"])];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    draft.display_name = row.text(&["name"]).or_else(|| Some(name).filter(|own| !own.is_empty()));
    draft.is_disabled = row.flag(&["is_active"]) == Some(false);
    // `dumpdata` without `--natural-foreign` writes the keys of groups.
    if draft.roles.iter().any(|role| role.bytes().all(|byte| byte.is_ascii_digit())) {
        draft.roles.clear();
        draft.omit("the groups have no names: use dumpdata --natural-foreign");
    }
    for (flag, role) in [("is_superuser", "superuser"), ("is_staff", "staff")] {
        if row.flag(&[flag]) == Some(true) {
            draft.roles.push(role.to_owned());
        }
    }
    // The hash of a user without a usable password.
    draft.hash = draft.hash.take_if(|hash| !hash.starts_with('!'));
    for app in row.rows("totp") {
        let is_usual = |name: &str, usual: &str| app.text(&[name]).is_none_or(|own| own == usual);
        match app.text(&["key"]) {
            Some(key)
                if is_usual("digits", "6") && is_usual("step", "30") && is_usual("t0", "0") =>
            {
                draft.add_app_hex(app.text(&["name"]), &key);
            }
            _ => draft.omit("an authenticator app without six digits and a period of 30 seconds"),
        }
    }
    Ok(draft)
}

/// Returns the fields of an object that `dumpdata` wrote, or the row itself.
fn fields(row: Row) -> Result<Row, String> {
    let Some(model) = row.text(&["model"]) else { return Ok(row) };
    if !model.ends_with("user") {
        return Err(format!("the record is of the model {}, not of a user", quoted(&model)));
    }
    let key = row.get(&["pk"]).cloned().unwrap_or_default();
    let mut members = row.object("fields").into_members();
    members.insert("pk".to_owned(), key);
    Row::of(Value::Object(members)).ok_or_else(|| "the record has no fields".to_owned())
}
