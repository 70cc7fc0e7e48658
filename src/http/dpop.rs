//! Proofs of possession in requests (RFC 9449).

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::extract::OriginalUri;
use http::{Extensions, HeaderMap, HeaderName, Method, Uri, header};
use jiff::Timestamp;

use crate::{
    error::{AuthError, ErrorKind},
    model::{Session, Thumbprint},
    services::{Core, DpopProof, DpopProofs, DpopRequest},
    session::{OfferedProof, RequestProof},
};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The proof of a request, which is verified when it is first needed, and once.
#[derive(Debug)]
pub(super) struct SentProof {
    /// `None` if there are two.
    proof: Option<String>,
    method: String,
    path: String,
    /// The token of `Authorization: DPoP`.
    token: Option<String>,
    verified: OnceLock<Option<Verified>>,
}

#[derive(Debug)]
struct Verified {
    proof: DpopProof,
    at: Timestamp,
}

impl SentProof {
    /// Reads the proof of a request. Returns `None` if it has none, which costs one look at the headers.
    pub(super) fn read(headers: &HeaderMap, (method, path): (&str, &str)) -> Option<Arc<Self>> {
        let mut lines = headers.get_all(&DPOP).iter();
        let line = lines.next()?;
        let proof = line.to_str().ok().filter(|_| lines.next().is_none());
        Some(Arc::new(Self {
            proof: proof.map(ToOwned::to_owned),
            method: method.to_owned(),
            path: path.to_owned(),
            token: token_of(headers).map(ToOwned::to_owned),
            verified: OnceLock::new(),
        }))
    }

    fn verified(&self, core: &Core, proofs: &DpopProofs) -> Option<&Verified> {
        let verify = || {
            let at = core.clock.now();
            let proof = (proofs.verify)(&DpopRequest {
                proof: self.proof.as_deref()?,
                method: &self.method,
                origins: &core.origins,
                path: &self.path,
                token: self.token.as_deref(),
                now: at,
            })?;
            Some(Verified { proof, at })
        };
        self.verified.get_or_init(verify).as_ref()
    }

    /// Requires that this is a valid proof of the key of a session, which this process sees for the first
    /// time. The request presents the token of the session by the scheme `DPoP`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DpopProofRefused`].
    pub(super) fn require(&self, core: &Core, session: &Session) -> Result<(), AuthError> {
        let verified = core.offered::<DpopProofs>().and_then(|proofs| {
            let Verified { proof, at } = self.verified(core, proofs)?;
            let own = session.binding()?.thumbprint() == proof.key.to_string();
            (own && proofs.seen.insert(proof, *at)).then_some(())
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

/// Returns the offer of a request, whose proof binds a session that the request begins.
pub(super) fn offered(
    core: &Arc<Core>,
    method: &Method,
    proof: &Arc<SentProof>,
) -> Option<Arc<OfferedProof>> {
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    let offer = || Offer { core: Arc::clone(core), proof: Arc::clone(proof) };
    (!is_safe).then(|| Arc::new(OfferedProof::new(offer())))
}

struct Offer {
    core: Arc<Core>,
    proof: Arc<SentProof>,
}

impl Offer {
    fn verified(&self) -> Result<Option<&Verified>, AuthError> {
        let Some(proofs) = self.core.offered::<DpopProofs>() else { return Ok(None) };
        let verified = self.proof.verified(&self.core, proofs);
        verified.map(Some).ok_or_else(|| ErrorKind::InvalidDpopProof.into())
    }
}

/// The uses of proofs are recorded in the store.
#[async_trait]
impl RequestProof for Offer {
    fn key(&self) -> Result<Option<Thumbprint>, AuthError> {
        Ok(self.verified()?.map(|own| own.proof.key))
    }

    async fn is_used(&self) -> Result<bool, AuthError> {
        match self.verified()? {
            Some(own) => self.core.is_proof_used(&own.proof, own.at).await,
            None => Ok(false),
        }
    }

    async fn remember(&self) -> Result<bool, AuthError> {
        match self.verified()? {
            Some(own) => self.core.remember_proof(&own.proof, own.at).await,
            None => Ok(true),
        }
    }
}
