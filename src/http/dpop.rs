//! Proofs of possession in requests (RFC 9449).

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{OriginalUri, Request};
use http::{Extensions, HeaderMap, HeaderName, Method, Uri, header};
use jiff::Timestamp;

use crate::{
    error::{AuthError, ErrorKind},
    model::Session,
    services::{Core, DpopProof, DpopProofs, DpopRequest},
    session::{OfferedKey, ProofMemory, ProofUse},
};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The proof of a request that presents a bound token, before it is verified.
#[derive(Debug)]
pub(super) struct PresentedProof {
    /// `None` if there is no proof.
    proof: Option<String>,
    token: String,
    method: String,
    path: String,
}

impl PresentedProof {
    /// Reads the proof of a request with `Authorization: DPoP`. Two proofs are none that is valid.
    pub(super) fn read(headers: &HeaderMap, token: &str, (method, path): (&str, &str)) -> Self {
        let mut lines = headers.get_all(&DPOP).iter();
        let proof = lines.next().map(|line| match lines.next() {
            None => line.to_str().unwrap_or_default().to_owned(),
            Some(_) => String::new(),
        });
        Self { proof, token: token.to_owned(), method: method.to_owned(), path: path.to_owned() }
    }

    /// Requires a valid proof of the key of a session, which this process sees for the first time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DpopProofRequired`], [`ErrorKind::DpopProofRefused`].
    pub(super) fn require(&self, core: &Core, session: &Session) -> Result<(), AuthError> {
        let proof = self.proof.as_deref().ok_or(ErrorKind::DpopProofRequired)?;
        let now = core.clock.now();
        let proofs = core.offered::<DpopProofs>();
        let verified = proofs.and_then(|proofs| {
            let request = DpopRequest {
                proof,
                method: &self.method,
                origins: &core.origins,
                path: &self.path,
                token: Some(&self.token),
                now,
            };
            let verified = (proofs.verify)(&request)?;
            let own = session.binding()?.thumbprint() == verified.key.to_string();
            (own && proofs.seen.insert(&verified, now)).then_some(())
        });
        verified.ok_or_else(|| ErrorKind::DpopProofRefused.into())
    }
}

/// Returns the path of the request line, before nested routers removed a part of it.
pub(super) fn path_of<'a>(extensions: &'a Extensions, uri: &'a Uri) -> &'a str {
    extensions.get::<OriginalUri>().map_or(uri.path(), |original| original.0.path())
}

/// Returns the token of `Authorization: DPoP`.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let line = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("dpop").then(|| token.trim_start_matches(' '))
}

/// Returns the key that a request to a route of this crate offers for its session.
pub(super) fn offered(core: &Arc<Core>, request: &Request) -> Option<OfferedKey> {
    let proofs = core.offered::<DpopProofs>()?;
    let mut lines = request.headers().get_all(&DPOP).iter();
    let line = lines.next()?;
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let proof = line.to_str().ok().filter(|_| lines.next().is_none());
    let now = core.clock.now();
    let verified = proof.and_then(|proof| {
        (proofs.verify)(&DpopRequest {
            proof,
            method: request.method().as_str(),
            origins: &core.origins,
            path: path_of(request.extensions(), request.uri()),
            token: token_of(request.headers()),
            now,
        })
    });
    Some(match verified {
        Some(proof) => {
            let key = proof.key;
            let memory = Memory { core: Arc::clone(core), proof, now };
            OfferedKey::Key(key, Arc::new(ProofUse::new(memory)))
        }
        None => OfferedKey::Broken,
    })
}

/// The memory of the store.
struct Memory {
    core: Arc<Core>,
    proof: DpopProof,
    now: Timestamp,
}

#[async_trait]
impl ProofMemory for Memory {
    async fn remember(&self) -> Result<bool, AuthError> {
        self.core.remember_proof(&self.proof, self.now).await
    }
}
