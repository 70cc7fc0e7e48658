//! Tests of the mappings: what is taken over from a record of each source, and what is reported.

use serde_json::{Value, json};

use super::*;

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/vectors/import/", $name))
    };
}

fn draft(source: &ImportSource, record: Value) -> Result<Draft, String> {
    map(source, Row::of(record).unwrap())
}

fn drafts(source: &ImportSource, file: &str) -> Vec<Result<Draft, String>> {
    let records = match serde_json::from_str(file) {
        Ok(Value::Array(records)) => records,
        Ok(Value::Object(mut document)) => document["users"].take().as_array().unwrap().clone(),
        _ => file.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    };
    records.into_iter().map(|record| draft(source, record)).collect()
}

/// Returns the identities, the secrets of apps and the omissions.
fn more(draft: &Draft) -> (Vec<String>, Vec<&str>, usize) {
    let identity = |own: &Identity| format!("{} {}", own.provider.issuer, own.subject);
    let apps = draft.apps.iter().map(|own| own.secret.as_str());
    (draft.identities.iter().map(identity).collect(), apps.collect(), draft.omissions.len())
}

const GOOGLE: &str = "https://accounts.google.com 108204268033311374519";
const GITHUB: &str = "https://github.com 583231";
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn first_user_of_each_source_is_taken_over() {
    let document = |name: &str| name.parse::<ImportSource>().unwrap();
    for (name, file, username, roles, identities, apps, omissions) in [
        (
            "better-auth",
            vector!("better-auth.json"),
            Some("Ada_L"),
            vec!["admin"],
            vec![],
            vec![],
            1,
        ),
        ("auth0", vector!("auth0.jsonl"), None, vec![], vec![GOOGLE], vec![], 1),
        ("firebase", vector!("firebase.json"), None, vec![], vec![GOOGLE], vec![], 1),
        (
            "supabase",
            vector!("supabase.jsonl"),
            None,
            vec!["editor"],
            vec![GOOGLE],
            vec![SECRET],
            2,
        ),
        ("devise", vector!("devise.jsonl"), None, vec![], vec![GOOGLE], vec![], 1),
        ("asp-net", vector!("asp-net.json"), None, vec!["Admin"], vec![GOOGLE], vec![SECRET], 1),
        ("laravel", vector!("laravel.jsonl"), None, vec!["admin"], vec![GOOGLE], vec![], 1),
        (
            "wordpress",
            vector!("wordpress.jsonl"),
            Some("ada"),
            vec!["administrator"],
            vec![],
            vec![],
            0,
        ),
        (
            "keycloak",
            vector!("keycloak.json"),
            Some("ada"),
            vec!["editor"],
            vec![GITHUB],
            vec![SECRET],
            1,
        ),
    ] {
        let source = document(name);
        let first = drafts(&source, file).remove(0).unwrap();
        assert_eq!(first.email.as_deref(), Some("ada@example.com"), "{name}");
        assert_eq!(first.is_verified, name != "wordpress", "{name}");
        assert!(first.hash.is_some(), "{name}");
        assert_eq!(first.created_at.is_none(), name == "asp-net", "{name}");
        assert_eq!(first.display_name.is_none(), name == "asp-net", "{name}");
        assert_eq!(first.username.as_deref(), username, "{name}");
        assert_eq!(first.roles, roles, "{name}");
        let identities = identities.into_iter().map(str::to_owned).collect();
        assert_eq!(more(&first), (identities, apps, omissions), "{name}: {:?}", first.omissions);
        assert!(!first.is_disabled, "{name}");
    }
}

#[test]
fn disabled_users_remain_disabled() {
    for (name, file) in [
        ("better-auth", vector!("better-auth.json")),
        ("auth0", vector!("auth0.jsonl")),
        ("firebase", vector!("firebase.json")),
        ("supabase", vector!("supabase.jsonl")),
        ("django", vector!("django.jsonl")),
        ("asp-net", vector!("asp-net.json")),
        ("keycloak", vector!("keycloak.json")),
    ] {
        let all = drafts(&name.parse().unwrap(), file);
        let disabled = all.iter().flatten().filter(|own| own.is_disabled).count();
        assert_eq!(disabled, 1, "{name}");
    }
}

#[test]
fn users_of_django_are_the_same_as_rows_and_from_dumpdata() {
    let source = ImportSource::Django;
    let rows = drafts(&source, vector!("django.jsonl"));
    let dumped = drafts(&source, vector!("django-dumpdata.json"));
    assert!(dumped[0].as_ref().is_err_and(|problem| problem.contains("auth.group")));
    assert_eq!(rows.len(), dumped.len() - 1);
    for (row, dumped) in rows.iter().zip(&dumped[1..]) {
        let (row, dumped) = (row.as_ref().unwrap(), dumped.as_ref().unwrap());
        let of = |own: &Draft| {
            (
                own.id.clone(),
                own.email.clone(),
                own.username.clone(),
                own.hash.clone(),
                own.created_at,
            )
        };
        assert_eq!(of(row), of(dumped));
        assert_eq!((&row.roles, &row.display_name), (&dumped.roles, &dumped.display_name));
    }
    let row = |number: usize| rows[number].as_ref().unwrap();
    assert_eq!(row(0).roles, ["superuser", "staff"]);
    assert_eq!(row(1).roles, ["editors"]);
    assert_eq!(row(1).apps[0].secret, SECRET);
    assert_eq!(row(5).hash, None);
    let numbered = json!({ "id": 1, "email": "a@example.com", "groups": [1], "totp": [{ "key": "00", "digits": 8 }] });
    let numbered = draft(&source, numbered).unwrap();
    assert_eq!((numbered.roles.len(), numbered.omissions.len()), (0, 2));
}

#[test]
fn hashes_have_a_format_that_is_verified() {
    use crate::crypto::password::PasswordHasher;

    let mut count = 0;
    for (source, file) in [
        (ImportSource::BetterAuth, vector!("better-auth.json")),
        (ImportSource::Auth0, vector!("auth0.jsonl")),
        (ImportSource::firebase("Bw==", 8, 14), vector!("firebase.json")),
        (ImportSource::Supabase, vector!("supabase.jsonl")),
        (ImportSource::devise(true), vector!("devise.jsonl")),
        (ImportSource::AspNet, vector!("asp-net.json")),
        (ImportSource::Laravel, vector!("laravel.jsonl")),
        (ImportSource::Keycloak, vector!("keycloak.json")),
        (ImportSource::AxumLogin, vector!("axum-login.jsonl")),
    ] {
        for hash in drafts(&source, file).into_iter().flatten().filter_map(|own| own.hash) {
            assert!(PasswordHasher::supports(&hash), "{source}: {hash}");
            count += 1;
        }
    }
    assert_eq!(count, 16);
}

#[test]
fn invalid_details_are_reported_and_not_taken_over() {
    let source = ImportSource::Keycloak;
    let user = |more: Value| {
        let mut user = json!({ "id": "1", "email": "ada@example.com" });
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        draft(&source, user).unwrap()
    };
    for more in [
        json!({ "credentials": [{ "type": "password", "secretData": "{}", "credentialData": "{}" }] }),
        json!({ "credentials": [{ "type": "otp", "secretData": { "value": "x" }, "credentialData": { "subType": "hotp" } }] }),
        json!({ "credentials": [{ "type": "otp", "secretData": { "value": "short" }, "credentialData": {} }] }),
        json!({ "federatedIdentities": [{ "identityProvider": "google", "userId": "1\n2" }] }),
        json!({ "federatedIdentities": [{ "identityProvider": "google" }] }),
        json!({ "federatedIdentities": [{ "identityProvider": "\u{1b}[31mred", "userId": "1" }] }),
    ] {
        let draft = user(more.clone());
        assert_eq!(more_is_nothing(&draft), 1, "{more}");
        assert!(!draft.omissions[0].contains('\u{1b}'), "{:?}", draft.omissions);
    }
    for record in [json!({}), json!({ "id": "" }), json!({ "id": null }), json!({ "id": [1] })] {
        for name in &ImportSource::NAMES[1..] {
            assert!(draft(&name.parse().unwrap(), record.clone()).is_err(), "{name}: {record}");
        }
    }
}

/// Asserts that nothing was taken over, and returns the number of omissions.
fn more_is_nothing(draft: &Draft) -> usize {
    let (identities, apps, omissions) = more(draft);
    assert!(identities.is_empty() && apps.is_empty() && draft.hash.is_none());
    omissions
}
