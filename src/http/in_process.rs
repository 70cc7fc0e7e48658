//! JSON bodies of routes that a page of this crate calls in the same process.
//!
//! A page reads the value of the body, which is then neither serialized nor parsed. Responses to
//! clients have no such value.

use std::future::Future;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::Value;

tokio::task_local! {
    /// Set while a page calls a route.
    static IN_PROCESS: ();
}

/// A JSON body that pages show, too.
#[derive(Debug)]
pub(crate) struct SharedJson(pub(crate) Value);

/// The value of the body of a response, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct BodyValue(pub(crate) Value);

/// Runs the call of a route by a page.
pub(crate) async fn in_process<F: Future>(call: F) -> F::Output {
    IN_PROCESS.scope((), call).await
}

impl IntoResponse for SharedJson {
    fn into_response(self) -> Response {
        if IN_PROCESS.try_with(|()| ()).is_err() {
            return Json(self.0).into_response();
        }
        let mut response = Response::default();
        response.extensions_mut().insert(BodyValue(self.0));
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn clients_get_the_bytes_and_pages_the_value() {
        let body = || SharedJson(json!({ "a": [1] }));
        let sent = body().into_response();
        assert!(sent.extensions().get::<BodyValue>().is_none());
        assert_eq!(sent.into_body().collect().await.unwrap().to_bytes(), "{\"a\":[1]}");
        let mut shown = in_process(async { body().into_response() }).await;
        let value = shown.extensions_mut().remove::<BodyValue>().unwrap().0;
        assert_eq!(value, json!({ "a": [1] }));
        assert!(shown.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
