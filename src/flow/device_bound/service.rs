//! The registration of keys and the refresh of bound sessions, without HTTP.

use std::{fmt, sync::Arc};

use crate::{
    crypto::proof::{Algorithm, Jwk, KeyProof},
    error::{AuthError, ErrorKind},
    mail::{MessageKind, Occasion},
    model::{ClientInfo, SessionBinding, SessionId},
    services::Core,
    session::{DeviceAttempt, NewBinding},
};

pub(super) use crate::session::DeviceRefresh;

/// The type of proofs.
const TYPE: &str = "dbsc+jwt";

/// Binds sessions to keys of browsers, and refreshes them.
#[derive(Clone)]
pub struct DeviceBoundService {
    pub(super) core: Arc<Core>,
}

impl DeviceBoundService {
    /// Binds the session of these cookies to the key of a proof, and returns its id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidDeviceProof`] if the proof, its challenge or a cookie is not valid, or the
    /// session is bound already; [`ErrorKind::Unavailable`] if the store fails.
    pub(super) async fn register(
        &self,
        (access, refresh): (Option<&str>, Option<&str>),
        proof: Option<&str>,
    ) -> Result<SessionId, AuthError> {
        let new = access.zip(refresh).zip(proof.and_then(parse));
        let bound = match &new {
            Some(((access, refresh), proof)) => {
                let (access, refresh) = (*access, *refresh);
                match registration(proof) {
                    Some((challenge, binding)) => {
                        let new = NewBinding { access, refresh, challenge, binding };
                        self.core.sessions.bind_device(new).await?
                    }
                    None => None,
                }
            }
            None => None,
        };
        bound.ok_or_else(|| ErrorKind::InvalidDeviceProof.into())
    }

    /// Refreshes a bound session with a proof. The user is notified of the first proof of another key.
    pub(super) async fn refresh(
        &self,
        id: SessionId,
        token: Option<&str>,
        proof: Option<Result<&str, AuthError>>,
        client: &ClientInfo,
    ) -> Result<DeviceRefresh, AuthError> {
        let parsed = proof.map(|proof| proof.ok().and_then(parse));
        let signed = parsed.as_ref().map(|proof| {
            let proof = proof.as_ref()?;
            Some((proof.text("jti")?, |binding: &SessionBinding| is_of(proof, binding)))
        });
        let attempt = match &signed {
            None => DeviceAttempt::Missing,
            Some(None) => DeviceAttempt::Malformed,
            Some(Some((challenge, is_of))) => DeviceAttempt::Proof { challenge, is_of },
        };
        let refreshed = self.core.sessions.refresh_device(id, token, &attempt).await?;
        if let DeviceRefresh::Mismatch(user, _) = &refreshed
            && self.core.sessions.note_mismatch(id).await?
        {
            self.core.notify(user, MessageKind::DeviceMismatch, Occasion::of(client));
        }
        Ok(refreshed)
    }
}

/// Parses a proof of a browser, whose algorithms are ES256 and RS256.
fn parse(text: &str) -> Option<KeyProof<'_>> {
    let proof = KeyProof::parse(text, TYPE)?;
    matches!(proof.algorithm, Algorithm::Es256 | Algorithm::Rs256).then_some(proof)
}

/// Returns the challenge and the key of a registration.
fn registration<'a>(proof: &'a KeyProof<'_>) -> Option<(&'a str, SessionBinding)> {
    let key = proof.jwk.as_ref().filter(|key| proof.is_of(key))?;
    Some((proof.text("jti")?, SessionBinding::device(key.thumbprint(), key.to_json())))
}

/// Returns whether a proof is signed with the key of a session.
fn is_of(proof: &KeyProof<'_>, binding: &SessionBinding) -> bool {
    let key = binding.jwk().and_then(Jwk::read);
    key.is_some_and(|key| proof.is_of(&key))
}

impl fmt::Debug for DeviceBoundService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceBoundService")
    }
}
