//! Administration: the last administrator, the list of events, and storage modes.

use authlayer::{
    EventKind, UserId, UserStatus, UserStorage,
    clock::Clock,
    testing::{TestClient, TestResponse},
    users::UserQuery,
};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    admin::{ADA, administrator, code, create, expect, patch},
    places::{Book, Directory},
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in},
};

const EVE: &str = "eve@example.com";

on_every_store! {
    async fn last_administrator_stays(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let id = id_of(&ada).await;
        // A disabled administrator does not count.
        let eve = administrator(bed, EVE).await;
        let other = id_of(&eve).await;
        assert_eq!(patch(&ada, &other, json!({ "status": "disabled" })).await.status, 200);
        for body in [json!({ "roles": [] }), json!({ "roles": ["editor"] }), json!({ "status": "disabled" })] {
            let refused = patch(&ada, &id, body.clone()).await;
            assert_eq!(code(&refused), expect(409, "last_admin"), "{body}");
        }
        let path = format!("/auth/admin/users/{id}");
        assert_eq!(code(&ada.delete(&path).await), expect(409, "last_admin"));
        assert_eq!(code(&ada.delete("/auth/account").await), expect(409, "last_admin"));
        assert_eq!(ada.get("/auth/admin/users").await.status, 200, "nothing has changed");
        let renamed = patch(&ada, &id, json!({ "display_name": "Ada", "roles": ["admin", "x"] })).await;
        assert_eq!(renamed.status, 200, "other changes are possible");
        // With another one, each can go.
        assert_eq!(patch(&ada, &other, json!({ "status": "active" })).await.status, 200);
        assert_eq!(ada.delete("/auth/account").await.status, 204);
        assert_eq!(sign_in(&eve, EVE, PASSWORD).await.status, 200);
        assert_eq!(code(&eve.delete("/auth/account").await), expect(409, "last_admin"));
        // The application itself decides for itself.
        bed.bed.auth.users().delete(&UserId::new(other)).await.unwrap();
    }

    async fn acts_are_shown_to_the_user_without_the_administrator(bed: &Bed) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser(EVE).await);
        assert_eq!(patch(&ada, &id_of(&eve).await, json!({ "display_name": "Eve" })).await.status, 200);
        let events = eve.get("/auth/account/events").await.json();
        let act = events["events"].as_array().unwrap().iter().find(|own| own["kind"] == "user_updated");
        let act = act.unwrap_or_else(|| panic!("{events}"));
        assert_eq!(act["by"], "administrator");
        assert!(act.get("actor_id").is_none() && act.get("ip").is_none(), "{act}");
    }

    async fn events_are_filtered_and_paged(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let eve = bed.browser(EVE).await;
        let id = id_of(&eve).await;
        let begin = bed.bed.clock.now();
        for _ in 0..3 {
            bed.advance(60).await;
            assert_eq!(sign_in(&bed.client(), EVE, PASSWORD).await.status, 200);
        }
        let get = async |query: &str| {
            let answer = ada.get(&format!("/auth/admin/events?{query}")).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.json());
            answer.json()
        };
        let all = get(&format!("user_id={id}&kind=signed_in")).await;
        let events = all["events"].as_array().unwrap();
        assert!(events.len() >= 3 && all["next_cursor"].is_null(), "{all}");
        assert!(events.iter().all(|own| own["kind"] == "signed_in" && own["user_id"] == id.as_str()));
        assert!(events.is_sorted_by(|one, next| one["at"].as_str() >= next["at"].as_str()));
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&format!("user_id={id}&kind=signed_in&limit=1{cursor}")).await;
            paged.extend(page["events"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(paged), all["events"]);
        let minute = jiff::SignedDuration::from_secs(60);
        let (first, second) = (begin + minute, begin + minute * 2);
        let between = get(&format!("user_id={id}&kind=signed_in&since={first}&until={second}")).await;
        let times: Vec<_> = between["events"].as_array().unwrap().iter().map(|own| own["at"].clone()).collect();
        assert_eq!(times, [json!(first)], "since is inclusive, and until exclusive");
        assert_eq!(get("kind=unheard_of").await, json!({ "events": [], "next_cursor": null }));
        assert_eq!(get("user_id=%00").await["events"], json!([]));
        for query in ["limit=0", "limit=201", "limit=x", "since=yesterday", "cursor=x", "kind=a&kind=b"] {
            let refused = ada.get(&format!("/auth/admin/events?{query}")).await;
            assert_eq!(code(&refused), expect(400, "invalid_request"), "{query}");
        }
    }
}

/// An act of one administrator on the other, or on their own account.
async fn act(client: TestClient, name: &str, target: String) -> TestResponse {
    match name {
        "demote" => patch(&client, &target, json!({ "roles": [] })).await,
        "disable" => patch(&client, &target, json!({ "status": "disabled" })).await,
        "delete" => client.delete(&format!("/auth/admin/users/{target}")).await,
        _ => client.delete("/auth/account").await,
    }
}

/// Of two administrators who take each other's role away, one remains.
async fn one_administrator_remains(on: On) {
    for acts_of_both in
        [["demote", "demote"], ["leave", "leave"], ["delete", "delete"], ["leave", "disable"]]
    {
        let bed = Bed::new(on, json!({ "limits": false })).await;
        let (ada, eve) = (administrator(&bed, ADA).await, administrator(&bed, EVE).await);
        let (one, other) = (id_of(&ada).await, id_of(&eve).await);
        let mut acts = JoinSet::new();
        let targets = if acts_of_both[1] == "disable" {
            // Eve disables herself while Ada leaves.
            [one, other]
        } else {
            [other, one]
        };
        for ((client, name), target) in [ada, eve].into_iter().zip(acts_of_both).zip(targets) {
            acts.spawn(act(client, name, target));
        }
        let outcomes: Vec<_> =
            acts.join_all().await.iter().map(|own| own.status.as_u16()).collect();
        let active = UserQuery::new().role("admin").status(UserStatus::Active);
        let admins = bed.bed.auth.users().list(&active).await.unwrap();
        assert_eq!(admins.users.len(), 1, "{acts_of_both:?}: {outcomes:?}");
        let done = outcomes.iter().filter(|status| matches!(**status, 200 | 204)).count();
        assert_eq!(done, 1, "{acts_of_both:?}: {outcomes:?}");
        bed.remove().await;
    }
}

#[tokio::test]
async fn one_of_two_administrators_remains_on_sqlite() {
    one_administrator_remains(On::Sqlite).await;
    one_administrator_remains(On::SqliteMapped).await;
}

#[tokio::test]
async fn one_of_two_administrators_remains_on_postgres() {
    one_administrator_remains(On::Postgres).await;
    one_administrator_remains(On::PostgresMapped).await;
}

#[tokio::test]
async fn without_the_flow_or_the_audit_log_there_are_no_routes() {
    let bed = Bed::new(On::Sqlite, json!({ "admin": false })).await;
    let ada = administrator(&bed, ADA).await;
    assert_eq!(code(&ada.get("/auth/admin/users").await), expect(404, "not_found"));
    assert_eq!(ada.delete("/auth/account").await.status, 204, "nothing keeps the last one");
    bed.remove().await;
    let bed = Bed::new(On::Sqlite, json!({ "keep_events": false })).await;
    let ada = administrator(&bed, ADA).await;
    assert_eq!(ada.get("/auth/admin/users").await.status, 200);
    assert_eq!(code(&ada.get("/auth/admin/events").await), expect(404, "not_found"));
    bed.remove().await;
}

/// Claims are not stored here, and a directory cannot be listed: the response says what is not
/// possible.
#[tokio::test]
async fn storage_modes_say_what_they_cannot_do() {
    for on in [On::Sqlite, On::Postgres] {
        let book = Book::default();
        let claims = book.clone();
        let bed =
            Bed::over(on, json!({}), async |_, _| UserStorage::managed_with_claims(claims)).await;
        let ada = bed.browser(ADA).await;
        let id = UserId::new(id_of(&ada).await);
        book.say(&id, &|user| user.roles = vec!["admin".to_owned()]);
        bed.bed.auth.users().notify_changed(&id).await.unwrap();
        let eve = create(&ada, json!({ "email": EVE, "password": PASSWORD })).await;
        let other = eve["id"].as_str().unwrap();
        let lost = json!({ "email": "x@example.com", "roles": ["x"], "display_name": "X" });
        let refused = ada.post("/auth/admin/users", &lost).await;
        assert_eq!(code(&refused), expect(422, "invalid_request"));
        assert_eq!(refused.json()["members"], json!(["roles"]));
        let refused = patch(&ada, other, json!({ "roles": ["x"], "display_name": "Eve" })).await;
        assert_eq!(code(&refused), expect(422, "invalid_request"));
        assert_eq!(refused.json()["members"], json!(["roles"]));
        let listed = ada.get("/auth/admin/users?role=admin").await.json();
        assert_eq!(listed["users"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed["users"][0]["id"], id.as_str());
        let disabled = patch(&ada, id.as_str(), json!({ "status": "disabled" })).await;
        assert_eq!(code(&disabled), expect(409, "last_admin"));
        assert_eq!(patch(&ada, other, json!({ "status": "disabled" })).await.status, 200);
        assert_eq!(code(&ada.delete("/auth/account").await), expect(409, "last_admin"));
        assert_eq!(patch(&ada, other, json!({ "status": "active" })).await.status, 200);
        book.say(&UserId::new(other), &|user| user.roles = vec!["admin".to_owned()]);
        bed.bed.auth.users().notify_changed(&UserId::new(other)).await.unwrap();
        assert_eq!(ada.delete("/auth/account").await.status, 204, "another one remains");
        bed.remove().await;

        let directory = Directory::default();
        let users = directory.clone();
        let bed = Bed::over(on, json!({}), async |_, _| UserStorage::external(users)).await;
        let ada = bed.browser(ADA).await;
        let id = UserId::new(id_of(&ada).await);
        directory.say(&id, &|user| user.roles = vec!["admin".to_owned()]);
        bed.bed.auth.users().notify_changed(&id).await.unwrap();
        let refused = ada.get("/auth/admin/users").await;
        assert_eq!(code(&refused), expect(501, "unsupported"));
        assert_eq!(refused.json()["operation"], "list_users");
        let own = format!("/auth/admin/users/{}", id.as_str());
        assert_eq!(ada.get(&own).await.json()["email"], ADA);
        let refused = ada.json(Method::PATCH, &own, json!({ "display_name": "Ada" })).await;
        assert_eq!(code(&refused), expect(422, "invalid_request"));
        assert_eq!(refused.json()["members"], json!(["display_name"]));
        assert_eq!(
            ada.get(&format!("{own}/sessions")).await.json()["sessions"].as_array().map(Vec::len),
            Some(1)
        );
        bed.remove().await;
    }
}

#[tokio::test]
async fn passwords_and_factors_are_set_without_http() {
    for on in [On::Sqlite, On::Postgres, On::SqliteMapped, On::PostgresMapped, On::SqliteCustom] {
        let bed = Bed::new(on, json!({})).await;
        let ada = bed.browser(ADA).await;
        let id = UserId::new(id_of(&ada).await);
        let users = bed.bed.auth.users();
        let weak = users.set_password(&id, "short").await.unwrap_err();
        assert_eq!(weak.kind().code(), "weak_password", "{on:?}");
        users.set_password(&id, "another good one 7").await.unwrap();
        assert_eq!(ada.get("/me").await.status, 401, "{on:?}: all sessions end");
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 401, "{on:?}");
        assert_eq!(sign_in(&bed.client(), ADA, "another good one 7").await.status, 200, "{on:?}");
        assert_eq!(bed.bed.watch.count(EventKind::PasswordChanged), 1);
        let unknown = UserId::new("0e5e5c5a-0000-4000-8000-000000000000");
        for error in [
            users.set_password(&unknown, "another good one 7").await.unwrap_err(),
            users.factors(&unknown).await.unwrap_err(),
            users.send_password_reset(&unknown).await.unwrap_err(),
            users.remove_factor(&id, "none").await.unwrap_err(),
        ] {
            assert_eq!(error.kind().code(), "not_found", "{on:?}");
        }
        let disabled = users.disable(&id).await.unwrap();
        assert_eq!(disabled.status, UserStatus::Disabled);
        bed.remove().await;
    }
}

#[tokio::test]
async fn a_rule_for_every_user_is_rejected() {
    let store = authlayer::SqliteStore::memory().await.unwrap();
    let built = authlayer::Auth::builder(store)
        .origin("http://localhost:3000")
        .flow(authlayer::Admin::new(authlayer::Rule::authenticated()))
        .build();
    let error = built.map(drop).unwrap_err().to_string();
    assert!(error.contains("admin") && error.contains("rule"), "{error}");
}
