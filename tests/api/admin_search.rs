//! Lists of users: order, filters, pages, and the indexes that they use.

use authlayer::testing::TestClient;
use serde_json::{Value, json};

use crate::{
    admin::{ADA, administrator, code, create, expect},
    query_plans::{costs, executed, listen},
    support::{Bed, On, on_every_store},
};

/// 5,000 users with distinct times of creation, one in a hundred with a role, and users whose
/// fields match one text in each of the ways.
const USERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO auth_users (id, email, username, display_name, is_anonymous, roles, scopes,
        attributes, status, user_metadata, app_metadata, created_at, updated_at)
    SELECT 'u' || (100000 + i), 'user' || (100000 + i) || '@example.com', 'User' || (100000 + i),
        'Name ' || (100000 + i), 0, CASE WHEN i % 100 = 0 THEN '[\"editor\"]' ELSE '[]' END, '[]',
        '{}', CASE WHEN i % 500 = 0 THEN 'disabled' ELSE 'active' END, '{}', '{}', i * 1000, 0
    FROM n";

const KINDS: &str =
    "INSERT INTO auth_users (id, email, username, display_name, is_anonymous, roles,
        scopes, attributes, status, user_metadata, app_metadata, created_at, updated_at) VALUES
    ('kind4', 'x1@example.com', NULL, NULL, 0, '[]', '[]', '{}', 'active', '{}', '{}', 1, 0),
    ('b3', 'x2@example.com', NULL, 'kind of', 0, '[]', '[]', '{}', 'active', '{}', '{}', 2, 0),
    ('b2', 'x3@example.com', 'KindOfB', NULL, 0, '[]', '[]', '{}', 'active', '{}', '{}', 3, 0),
    ('a2', 'x4@example.com', 'kindofa', NULL, 0, '[]', '[]', '{}', 'active', '{}', '{}', 4, 0),
    ('c1', 'kind1@example.com', 'kind', 'kind', 0, '[]', '[]', '{}', 'active', '{}', '{}', 5, 0),
    ('w1', '100%@example.com', NULL, '_name', 0, '[]', '[]', '{}', 'active', '{}', '{}', 6, 0)";

async fn list(admin: &TestClient, query: &str) -> Value {
    let answer = admin.get(&format!("/auth/admin/users?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    answer.json()
}

fn ids(page: &Value) -> Vec<String> {
    let users = page["users"].as_array().unwrap();
    users.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns the users of all pages. `between` runs after each.
async fn walk(admin: &TestClient, query: &str, mut between: impl AsyncFnMut()) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(admin, &format!("{query}{cursor}")).await;
        all.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
        between().await;
    }
}

async fn many_users_are_listed_and_searched(on: On) {
    listen();
    let bed = Bed::new(on, json!({ "limits": false })).await;
    let ada = administrator(&bed, ADA).await;
    bed.run(USERS).await;
    bed.run(KINDS).await;
    bed.run("ANALYZE").await;
    executed();

    let mut made = 0;
    let all = walk(&ada, "limit=200", async || {
        made += 1;
        create(&ada, json!({ "email": format!("new{made}@example.com") })).await;
    });
    let all = all.await;
    assert_eq!(all.len(), 5007, "{on:?}: each user once, and none that was created meanwhile");
    let numbered: Vec<_> = (1..=5000).rev().map(|n| format!("u{}", 100_000 + n)).collect();
    assert_eq!(all[1..=5000], numbered, "the newest first");
    assert_eq!(all[5001..], ["w1", "c1", "a2", "b2", "b3", "kind4"]);

    let editors = walk(&ada, "role=editor&limit=7", async || {}).await;
    let expected: Vec<_> = (1..=50).rev().map(|n| format!("u{}", 100_000 + n * 100)).collect();
    assert_eq!(editors, expected);
    let disabled = walk(&ada, "status=disabled&limit=3", async || {}).await;
    let expected: Vec<_> = (1..=10).rev().map(|n| format!("u{}", 100_000 + n * 500)).collect();
    assert_eq!(disabled, expected);
    let both = walk(&ada, "role=editor&status=active", async || {}).await;
    assert_eq!(both.len(), 40);

    let ten: Vec<_> = (0..10).map(|n| format!("u{}", 104_560 + n)).collect();
    let searches: [(&str, &[String]); 14] = [
        ("query=USER10456", &*ten),
        ("query=Name+10456", &*ten),
        ("query=u10456", &*ten),
        ("query=name+10456", &[]),
        ("query=ser10456", &[]),
        ("query=user10456&role=editor", &[]),
        ("query=user10460&role=editor", &[String::from("u104600")]),
        ("query=user10450&status=disabled", &[String::from("u104500")]),
        ("query=%25", &[]),
        ("query=_name", &[String::from("w1")]),
        ("query=100%25", &[String::from("w1")]),
        ("query=%00", &[]),
        ("role=%00", &[]),
        ("role=none", &[]),
    ];
    for (query, found) in searches {
        for limit in [3, 200] {
            let all = walk(&ada, &format!("{query}&limit={limit}"), async || {}).await;
            assert_eq!(all, found, "{on:?} {query} {limit}");
        }
    }
    for limit in 1..=6 {
        let kinds = walk(&ada, &format!("query=kind&limit={limit}"), async || {}).await;
        assert_eq!(kinds, ["c1", "a2", "b2", "b3", "kind4"], "by the kind of match, then by id");
    }
    assert_eq!(ids(&list(&ada, "query=&limit=1").await).len(), 1, "an empty text is none");

    // No statement reads the whole table. Those of a text sort the ids of its matches.
    let statements = executed();
    let is_list = |sql: &&String| sql.contains("auth_users u") && sql.contains("LIMIT $1");
    let lists: Vec<_> = statements.iter().filter(is_list).collect();
    assert!(lists.len() >= 8, "{lists:#?}");
    for sql in lists {
        let costs = costs(&bed.database, sql).await;
        let is_sort = |step: &String| step.contains("Sort on") || step.contains("TEMP B-TREE");
        // The first page in the order of an index.
        let is_first = !sql.contains("WHERE") && costs.iter().all(|step| step.contains("newest"));
        let is_inactive = costs.iter().all(|step| step.contains("auth_users_inactive"));
        let is_search = sql.contains("m.id") && costs.iter().all(is_sort);
        assert!(costs.is_empty() || is_first || is_inactive || is_search, "{sql}\n{costs:#?}");
    }
    bed.remove().await;
}

#[tokio::test]
async fn many_users_are_listed_and_searched_on_sqlite() {
    many_users_are_listed_and_searched(On::Sqlite).await;
}

#[tokio::test]
async fn many_users_are_listed_and_searched_on_postgres() {
    many_users_are_listed_and_searched(On::Postgres).await;
}

/// 6,000 users whose ids are in another order than their email addresses, and 3,000 with one
/// beginning, whose ids come last.
const BROAD: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 8999)
    INSERT INTO auth_users (id, email, is_anonymous, roles, scopes, attributes, status,
        user_metadata, app_metadata, created_at, updated_at)
    SELECT CASE WHEN i < 6000 THEN 'u' || (100000 + i * 7919 % 6000) ELSE 'z' || i END,
        CASE WHEN i < 6000 THEN 'user' ELSE 'late' END || i || '@example.com', 0,
        CASE WHEN i % 100 = 0 THEN '[\"editor\"]' ELSE '[]' END, '[]', '{}', 'active', '{}', '{}', i, 0
    FROM n";

/// A text that many users match is searched in the order of the ids, without sorting all matches.
async fn broad_searches_list_each_user_once(on: On) {
    listen();
    let bed = Bed::new(on, json!({ "limits": false })).await;
    let ada = administrator(&bed, ADA).await;
    bed.run(BROAD).await;
    bed.run("ANALYZE").await;
    executed();
    let users: Vec<_> = (0..6_000).map(|n| format!("u{}", 100_000 + n)).collect();
    let late: Vec<_> = (6_000..9_000).map(|n| format!("z{n}")).collect();
    assert_eq!(walk(&ada, "query=user&limit=200", async || {}).await, users, "{on:?}");
    assert_eq!(walk(&ada, "query=LATE&limit=200", async || {}).await, late, "{on:?}");
    let editors = walk(&ada, "query=late&role=editor&limit=30", async || {}).await;
    let expected: Vec<_> = (60..90).map(|n| format!("z{}", n * 100)).collect();
    assert_eq!(editors, expected, "{on:?}");
    assert_eq!(walk(&ada, "query=user&role=editor", async || {}).await.len(), 60);

    let statements = executed();
    let is_in_order = |sql: &&String| sql.contains("|| '') >=") || sql.contains("OFFSET");
    let in_order: Vec<_> = statements.iter().filter(is_in_order).collect();
    assert!(in_order.len() >= 6, "{statements:#?}");
    for sql in in_order {
        let costs = costs(&bed.database, sql).await;
        let sorts = |step: &&String| {
            ["Seq Scan", "Sort", "TEMP B-TREE"].iter().any(|cost| step.contains(cost))
        };
        assert_eq!(costs.iter().find(sorts), None, "{sql}\n{costs:#?}");
    }
    bed.remove().await;
}

#[tokio::test]
async fn broad_searches_list_each_user_once_on_sqlite() {
    broad_searches_list_each_user_once(On::Sqlite).await;
}

#[tokio::test]
async fn broad_searches_list_each_user_once_on_postgres() {
    broad_searches_list_each_user_once(On::Postgres).await;
}

on_every_store! {
    async fn users_are_found_by_the_beginning_of_a_field(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let mut made = Vec::new();
        for n in 0..5 {
            let body = json!({ "email": format!("bob{n}@example.com"), "display_name": format!("Bob {n}"),
                "roles": if n == 3 { json!(["editor"]) } else { json!([]) } });
            made.push(create(&ada, body).await["id"].as_str().unwrap().to_owned());
        }
        made.sort_unstable();
        let all = walk(&ada, "limit=2", async || {}).await;
        assert_eq!(all.len(), 6);
        for query in ["query=BOB", "query=Bob+", "query=bob&status=active"] {
            for limit in [1, 2, 5, 50] {
                let found = walk(&ada, &format!("{query}&limit={limit}"), async || {}).await;
                assert_eq!(found, made, "{query} {limit}");
            }
        }
        let editors = list(&ada, "role=editor").await;
        assert_eq!(editors["users"][0]["display_name"], "Bob 3");
        assert_eq!((ids(&editors).len(), &editors["next_cursor"]), (1, &Value::Null));
        assert_eq!(walk(&ada, "query=ob", async || {}).await.len(), 0);
        assert_eq!(walk(&ada, &format!("query={}", made[0]), async || {}).await, [made[0].clone()]);

        let page = list(&ada, "query=bob&limit=1").await;
        let cursor = page["next_cursor"].as_str().unwrap();
        let foreign = format!("cursor={cursor}");
        for query in ["cursor=x", "cursor=", &foreign, "limit=0", "limit=201", "limit=ten", "status=other",
            "query=a&query=b", "role=a&role=a"] {
            let refused = ada.get(&format!("/auth/admin/users?{query}")).await;
            assert_eq!(code(&refused), expect(400, "invalid_request"), "{query}");
        }
    }
}
