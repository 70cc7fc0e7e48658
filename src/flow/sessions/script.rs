//! `GET /client.js` and its types, the only responses that a browser may cache.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::{
    contract::{Operation, Success},
    registry::Registry,
};

/// Cached, but revalidated before each use, so that the next page gets the script of an upgraded
/// server.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_SNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

struct File {
    kind: &'static str,
    text: &'static str,
    tag: HeaderValue,
}

static SCRIPT: LazyLock<File> =
    LazyLock::new(|| File::new("text/javascript; charset=utf-8", include_str!("client.js")));
static TYPES: LazyLock<File> = LazyLock::new(|| {
    File::new("application/typescript; charset=utf-8", include_str!("client.d.ts"))
});

pub(super) fn register(registry: &mut Registry) {
    registry.own_routes(
        &(),
        [
            ("/client.js", GET_SCRIPT.to(async |headers: HeaderMap| SCRIPT.answer(&headers))),
            ("/client.d.ts", GET_TYPES.to(async |headers: HeaderMap| TYPES.answer(&headers))),
        ],
    );
}

const NOT_MODIFIED: Success = Success::empty(304, "The cached one is current.");
const GET_SCRIPT: Operation = Operation::get("getClientScript", "Returns the client for browsers")
    .returns(&[Success::text("text/javascript", "A JavaScript module."), NOT_MODIFIED]);
const GET_TYPES: Operation = Operation::get("getClientTypes", "Returns the types of the client")
    .returns(&[
        Success::text("application/typescript", "Declarations of TypeScript."),
        NOT_MODIFIED,
    ]);

impl File {
    fn new(kind: &'static str, text: &'static str) -> Self {
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(text)));
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { kind, text, tag }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
            let tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
            tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == self.tag)
        });
        let kept = [NO_SNIFF, (header::CACHE_CONTROL, CACHE), (header::ETAG, self.tag.clone())];
        if known {
            return (StatusCode::NOT_MODIFIED, kept).into_response();
        }
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(self.kind))];
        (kept, kind, self.text).into_response()
    }
}
