//! The OpenAPI document: it lists the routes of the registered flows and no others, and its
//! examples are accepted. [`documented`](crate::documented) checks the responses of all tests.

use std::collections::{BTreeMap, BTreeSet};

use authlayer::{
    AnonymousUsers, ApiKeys, Auth, AuthBuilder, EmailCodes, EmailSignIn, OpenApi, Passkeys,
    Password, PasswordReset, RecoveryCodes, SessionOptions, SqliteStore, TokenTransports, Totp,
    testing::{Mailbox, TestClient, route_paths},
    utoipa::openapi::{Info, OpenApiBuilder, PathItem, PathsBuilder, Server},
};
use axum::Router;
use http::Method;
use serde_json::{Value, json};

use crate::{
    admin::administrator, documented::Document, providers::with_providers,
    support::on_managed_stores,
};

const ORIGIN: &str = "https://example.com";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Routes whose bodies have no members.
const WITHOUT_MEMBERS: &[&str] = &[
    "createProviderNonce",
    "createRecoveryCodes",
    "createTicket",
    "endImpersonation",
    "requestRecovery",
    "startFactorVerification",
    "startTotpRegistration",
    "startEmailVerification",
    "sendPasswordReset",
];
/// Members of any type: the operation, and the member.
const OF_ANY_TYPE: &[(&str, &str)] = &[
    ("finishPasskeyRegistration", "credential"),
    ("finishPasskeySignIn", "credential"),
    ("finishPasskeySignUp", "credential"),
    ("finishPasskeyVerification", "credential"),
    ("signUp", "username"),
];

/// Methods by path.
type Routes = BTreeMap<String, BTreeSet<String>>;

async fn auth(flows: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Auth {
    let store = SqliteStore::memory().await.unwrap();
    let builder = Auth::builder(store).origin(ORIGIN).mailer(Mailbox::default());
    flows(builder).build().unwrap()
}

/// Returns the operations of a document: path, method, operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path} has {method}");
            all.push((path.as_str(), method.as_str(), operation));
        }
    }
    all
}

fn ids(document: &Value) -> BTreeSet<String> {
    let ids = operations(document).into_iter().map(|(.., own)| own["operationId"].clone());
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Returns the routes that a document lists, with one path for each provider.
fn listed(document: &Value) -> Routes {
    let mut routes = Routes::new();
    for (path, method, operation) in operations(document) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let provider = parameters.iter().find(|own| own["name"] == "provider");
        let values = provider.map(|own| own["schema"]["enum"].as_array().unwrap().clone());
        let paths = match values {
            None => vec![path.to_owned()],
            Some(values) => values
                .iter()
                .map(|value| path.replace("{provider}", value.as_str().unwrap()))
                .collect(),
        };
        for path in paths {
            routes.entry(path).or_default().insert(method.to_uppercase());
        }
    }
    routes
}

/// Returns the routes that the router has. The 405 of an unknown method names the others.
async fn routed(auth: &Auth) -> Routes {
    let client = TestClient::new(Router::new().nest("/auth", auth.router()));
    let mut routes = Routes::new();
    for path in route_paths(auth) {
        let target = format!("/auth{}", path.replace("{id}", "x").replace("{name}", "x"));
        let unknown = Method::from_bytes(b"X-UNKNOWN").unwrap();
        let response = client.send(unknown, &target, &[], b"").await;
        assert_eq!(response.status, 405, "{path}");
        let allowed = response.header("allow");
        let methods = allowed.split(',').map(|own| own.trim().to_owned());
        // Every GET is a HEAD too.
        routes.insert(path, methods.filter(|own| own != "HEAD").collect());
    }
    routes
}

fn to_json(auth: &Auth) -> Value {
    serde_json::to_value(auth.openapi()).unwrap()
}

async fn lists_its_routes(auth: &Auth) -> Value {
    let document = to_json(auth);
    assert_eq!(listed(&document), routed(auth).await);
    document
}

#[tokio::test]
async fn document_and_router_have_the_same_routes() {
    let none = lists_its_routes(&auth(|builder| builder).await).await;
    assert!(ids(&none).contains("refresh"));
    assert!(!ids(&none).contains("getOpenApi"));
    let own = lists_its_routes(&auth(|builder| builder.flow(OpenApi::new())).await).await;
    assert!(ids(&own).contains("getOpenApi"));
    let keys = |builder: AuthBuilder| builder.flow(ApiKeys::new()).flow(AnonymousUsers::new());
    lists_its_routes(&auth(keys).await).await;
    let email = |builder: AuthBuilder| {
        let builder = builder.flow(EmailSignIn::new()).flow(EmailCodes::new());
        builder.audit_log(std::time::Duration::from_secs(86_400))
    };
    let email = lists_its_routes(&auth(email).await).await;
    assert!(ids(&email).contains("listAccountEvents"));
    let factors = |builder: AuthBuilder| {
        let builder = builder.flow(Passkeys::new("Example")).flow(Password::new());
        builder.flow(Totp::new("Example")).flow(RecoveryCodes::new())
    };
    lists_its_routes(&auth(factors).await).await;
}

#[tokio::test]
async fn document_of_two_flows_names_no_other() {
    let flows = |builder: AuthBuilder| builder.flow(Password::new()).flow(PasswordReset::new());
    let document = to_json(&auth(flows).await);
    let tags: BTreeSet<_> =
        operations(&document).into_iter().map(|(.., own)| own["tags"].to_string()).collect();
    let expected = ["account", "devices", "password", "password_reset", "pending", "sessions"];
    assert_eq!(tags, expected.map(|name| format!("[\"{name}\"]")).into());
    let schemas: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    let expected = [
        "Complete",
        "Device",
        "Factor",
        "Impersonator",
        "Pending",
        "Problem",
        "Session",
        "Tokens",
        "User",
    ];
    assert_eq!(schemas, expected);
    let text = document["paths"].as_object().unwrap().keys().cloned().collect::<String>();
    for other in ["totp", "recovery-codes", "oauth", "api-keys", "email-sign-in", "openapi"] {
        assert!(!text.contains(other), "{other}");
    }
}

#[tokio::test]
async fn security_schemes_follow_the_transports_and_the_names_of_cookies() {
    let schemes = async |transports| {
        let options = SessionOptions::default().transports(transports);
        let document = to_json(&auth(|builder| builder.session_options(options)).await);
        document["components"]["securitySchemes"].clone()
    };
    let both = schemes(TokenTransports::Both).await;
    assert_eq!(both["cookie"]["name"], "__Host-auth");
    assert_eq!(both["cookie"]["in"], "cookie");
    assert_eq!(both["refreshCookie"]["name"], "__Host-auth-refresh");
    assert_eq!(both["bearer"]["scheme"], "bearer");
    let bearer = schemes(TokenTransports::Bearer).await;
    assert_eq!(bearer.as_object().unwrap().keys().collect::<Vec<_>>(), ["bearer"]);
    let cookie = schemes(TokenTransports::Cookie).await;
    assert!(cookie["bearer"].is_null());
}

#[tokio::test]
async fn operations_state_what_they_require_and_return() {
    let flows = |builder: AuthBuilder| builder.flow(Password::new());
    let document = to_json(&auth(flows).await);
    let both = json!([{ "cookie": [] }, { "bearer": [] }]);
    assert_eq!(document["paths"]["/session"]["get"]["security"], both);
    let sign_in = &document["paths"]["/sign-in"]["post"];
    assert_eq!(sign_in["security"], json!([]));
    let refresh = &document["paths"]["/refresh"]["post"];
    assert_eq!(refresh["security"], json!([{}, { "refreshCookie": [] }]));
    let codes = |operation: &Value, status: &str| {
        let problem = &operation["responses"][status]["content"]["application/problem+json"];
        problem["schema"]["allOf"][1]["properties"]["code"]["enum"].clone()
    };
    assert_eq!(codes(sign_in, "401"), json!(["invalid_credentials"]));
    assert_eq!(codes(sign_in, "403"), json!(["cross_origin", "forbidden"]));
    assert_eq!(codes(sign_in, "422"), json!(["invalid_request", "transport_disabled"]));
    assert_eq!(codes(sign_in, "429"), json!(["rate_limited", "too_many_attempts"]));
    let set = &document["paths"]["/password/set"]["post"];
    assert_eq!(
        codes(set, "403"),
        json!(["cross_origin", "forbidden", "impersonating", "step_up_required"])
    );
    let change = &document["paths"]["/password/change"]["post"];
    assert_eq!(
        codes(change, "403"),
        json!(["cross_origin", "forbidden", "impersonating", "wrong_password"])
    );
    let account = &document["paths"]["/account"]["get"];
    assert_eq!(codes(account, "403"), json!(["forbidden"]));
    for (status, header) in
        [("200", "Set-Cookie"), ("401", "WWW-Authenticate"), ("429", "Retry-After")]
    {
        assert!(sign_in["responses"][status]["headers"][header].is_object(), "{header}");
    }
    let body = &sign_in["requestBody"]["content"]["application/json"]["schema"]["oneOf"];
    assert_eq!(body[0]["required"], json!(["email", "password"]));
    assert_eq!(body[1]["required"], json!(["login", "password"]));
}

/// Flows outside this crate add their own part.
#[tokio::test]
async fn flow_adds_its_description() {
    struct Notes;

    impl authlayer::Flow for Notes {
        type Service = ();

        fn name(&self) -> &str {
            "notes"
        }

        fn register(
            self,
            registry: &mut authlayer::Registry,
        ) -> Result<(), authlayer::ConfigError> {
            let paths = PathsBuilder::new().path("/notes", PathItem::default());
            let part = OpenApiBuilder::new().info(Info::new("Notes", "1")).paths(paths);
            let mut part = part.build();
            part.servers = Some(vec![Server::new("/elsewhere")]);
            registry.openapi(part);
            Ok(())
        }
    }

    let document = to_json(&auth(|builder| builder.flow(Notes)).await);
    assert_eq!(document["paths"]["/notes"], json!({}));
    assert!(document["paths"]["/session"].is_object());
    assert_eq!(document["info"]["title"], "Authentication");
    assert_eq!(document["servers"], json!([{ "url": "/auth" }]));
}

with_providers! {
    /// Every flow, with two providers, on the testbed.
    async fn document_of_all_flows_is_complete(world: &World, { "fake.id_token_audiences": ["app"], "fake.form_post": true, "fake.events": true, "device_bound": true, "introspection": [{ "id": "gateway", "secret": "secret" }], "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": "https://app.example.com/device" }, "tokens": { "audiences": ["reports"] } }) {
        let auth = &world.bed.bed.auth;
        let document = lists_its_routes(auth).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"], json!([{ "url": "/auth" }]));
        let lines = operations(&document).into_iter().map(|(path, method, own)| {
            format!("{} {} {path}", own["operationId"].as_str().unwrap(), method.to_uppercase())
        });
        let lines: BTreeSet<_> = lines.collect();
        // An operation keeps its name. Add a line for a new one.
        let known = include_str!("../openapi/operations.txt").lines().map(ToOwned::to_owned);
        assert_eq!(lines, known.collect());
        for (path, method, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            let is_camel_case = id.starts_with(|c: char| c.is_ascii_lowercase())
                && id.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_camel_case, "{id}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            assert!(operation["security"].is_array(), "{id}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|own| own.starts_with(['2', '3'])), "{id}");
            assert!(!responses.contains_key("405"), "{id}");
            for name in path.split('/').filter_map(|own| own.strip_prefix('{')) {
                let name = name.trim_end_matches('}');
                let parameters = operation["parameters"].as_array().unwrap();
                let own = parameters.iter().filter(|own| own["in"] == "path");
                assert!(own.clone().any(|own| own["name"] == name), "{id} lacks {name}");
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if method != "get" && method != "delete" && body.is_object() {
                let has_members = body["properties"].is_object() || body["oneOf"].is_array();
                assert_eq!(has_members, !WITHOUT_MEMBERS.contains(&id), "{id}");
            }
        }
    }

    async fn examples_of_responses_match_their_schemas(world: &World, {}) {
        let document = Document::of(&world.bed.bed.auth);
        let mut count = 0;
        for (.., operation) in operations(&document.0) {
            for (status, response) in operation["responses"].as_object().unwrap() {
                for content in response["content"].as_object().into_iter().flat_map(|own| own.values()) {
                    let named = content["examples"].as_object().into_iter().flat_map(|own| own.values());
                    let named = named.map(|own| &own["value"]);
                    for example in named.chain(content.get("example")) {
                        let at = format!("{} {status}", operation["operationId"]);
                        document.matches(example, &content["schema"], &at).unwrap();
                        count += 1;
                    }
                }
            }
        }
        assert!(count > 300, "only {count} examples");
    }

    async fn document_is_served_as_json(world: &World, {}) {
        let served = world.bed.client().get("/auth/openapi.json").await;
        assert_eq!(served.status, 200);
        assert_eq!(served.header("content-type"), "application/json");
        assert_eq!(served.header("cache-control"), "no-store");
        assert_eq!(served.json(), to_json(&world.bed.bed.auth));
        let off = world.bed.client().post("/auth/openapi.json", json!({})).await;
        assert_eq!((off.status.as_u16(), off.header("allow").as_str()), (405, "GET,HEAD"));
    }
}

/// A request that is built from the examples of an operation.
struct Example {
    method: Method,
    target: String,
    body: Option<Value>,
}

impl Example {
    fn of(path: &str, method: &str, operation: &Value) -> Self {
        let mut target = format!("/auth{path}");
        let mut query = Vec::new();
        for own in operation["parameters"].as_array().into_iter().flatten() {
            let name = own["name"].as_str().unwrap();
            let schema = &own["schema"];
            let value = [&own["example"], &schema["enum"][0], &schema["examples"][0]];
            let value = value.into_iter().find(|own| !own.is_null()).unwrap();
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            if own["in"] == "path" {
                target = target.replace(&format!("{{{name}}}"), &value);
            } else {
                query.push(form(&[(name, &value)]));
            }
        }
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let content = &operation["requestBody"]["content"]["application/json"];
        let method = method.to_uppercase().parse().unwrap();
        Self { method, target, body: content.get("example").cloned() }
    }

    async fn send(&self, client: &TestClient) -> authlayer::testing::TestResponse {
        match &self.body {
            Some(body) => client.json(self.method.clone(), &self.target, body).await,
            None => client.send(self.method.clone(), &self.target, &[], b"").await,
        }
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

on_managed_stores! {
    /// The server of [`Bed`] checks the status, the code and the body of each response.
    async fn examples_of_requests_are_answered_as_listed(bed: &Bed, { "limits": false }) {
        let document = to_json(&bed.bed.auth);
        let mut completed = 0;
        for (number, (path, method, operation)) in operations(&document).into_iter().enumerate() {
            let example = Example::of(path, method, operation);
            let user = bed.browser(&format!("ada{number}@example.com")).await;
            for client in [bed.client(), user] {
                let response = example.send(&client).await;
                let status = response.status.as_u16();
                let id = &operation["operationId"];
                let listed = &operation["responses"][status.to_string()];
                assert!(listed.is_object(), "{id} returned {status}");
                assert!(![400, 415, 500, 503].contains(&status), "{id} returned {status}");
                completed += usize::from(response.status.is_success());
            }
        }
        assert!(completed > 25, "only {completed} requests were successful");
    }

    async fn listed_members_are_read_with_their_types(bed: &Bed, { "limits": false }) {
        let document = to_json(&bed.bed.auth);
        let client = administrator(bed, "ada@example.com").await;
        let mut count = 0;
        for (path, method, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            let Example { method, target, body } = Example::of(path, method, operation);
            let Some(Value::Object(example)) = body else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let alternative = &schema["oneOf"][0];
            let schema = if alternative.is_object() { alternative } else { schema };
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for name in example.keys() {
                if OF_ANY_TYPE.contains(&(id, name.as_str())) {
                    continue;
                }
                let mut wrong = example.clone();
                wrong.insert(name.clone(), json!([1]));
                let response = client.json(method.clone(), &target, &wrong).await;
                assert_eq!(response.status, 422, "{id} accepts another type of {name}");
                assert_eq!(response.json()["members"], json!([name]), "{id}");
                let mut missing = example.clone();
                missing.remove(name);
                if required.iter().any(|own| own == name) {
                    let response = client.json(method.clone(), &target, &missing).await;
                    assert_eq!(response.status, 422, "{id} does not require {name}");
                    assert_eq!(response.json()["members"], json!([name]), "{id}");
                }
                count += 1;
            }
        }
        assert!(count > 40, "only {count} members");
    }
}
