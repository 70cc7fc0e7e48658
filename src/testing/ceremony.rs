//! Passkey ceremonies of a client.

use serde_json::json;

use super::{TestClient, TestResponse, VirtualAuthenticator};

impl TestClient {
    /// Registers a passkey for the signed-in user. The routes are below `/auth`.
    pub async fn register_passkey(&self, authenticator: &mut VirtualAuthenticator) -> TestResponse {
        let start = self.post("/auth/passkeys/register/start", json!({})).await;
        if !start.status.is_success() {
            return start;
        }
        let start = start.json();
        let credential = authenticator.register(&start["options"]);
        let body = json!({ "challenge": start["challenge"], "credential": credential });
        self.post("/auth/passkeys/register/finish", body).await
    }

    /// Signs in with a passkey, or performs a step-up if the client has a session. The routes are
    /// below `/auth`.
    pub async fn use_passkey(&self, authenticator: &mut VirtualAuthenticator) -> TestResponse {
        let mut purpose = "verify";
        let mut start = self.post("/auth/passkeys/verify/start", json!({})).await;
        if start.code() == "unauthenticated" {
            purpose = "sign-in";
            start = self.post("/auth/passkeys/sign-in/start", json!({})).await;
        }
        if !start.status.is_success() {
            return start;
        }
        let start = start.json();
        let credential = authenticator.authenticate(&start["options"]);
        let body = json!({ "challenge": start["challenge"], "credential": credential });
        self.post(&format!("/auth/passkeys/{purpose}/finish"), body).await
    }
}
