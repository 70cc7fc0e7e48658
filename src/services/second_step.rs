//! Sign-ins that require a factor of a flow outside this crate.

use serde_json::{Map, json};

use super::{
    Core, Letterhead, Outcome, Pending, Verified,
    code::Asked,
    sign_in::{Attempt, pending_session, read},
};
use crate::{
    clock::whole_millis,
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{ClientInfo, Factor, FactorProof, User},
    session::NewSession,
    store::{AccountWrites, Challenge, ChallengeKind, Use},
};

impl Core {
    /// Requires one of several factors before the session is created.
    pub(super) async fn require_factors(
        &self,
        attempt: Attempt,
        methods: Vec<&'static str>,
    ) -> Result<Outcome, AuthError> {
        let Attempt { user, proof, transport, upstream, using, verified, client, .. } = attempt;
        if let Some(using) = &using
            && !self.credentials.use_credential(using).await?
        {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let handle = OneTimeToken::random(TokenPurpose::Challenge)?;
        let data = json!({
            "factors": [proof],
            "transport": transport,
            "upstream": upstream,
            "verified": verified,
            "methods": methods,
        });
        let challenge = self.new_pending(&handle, ChallengeKind::SignIn, &user, data);
        self.store_challenge(&challenge).await?;
        let event = self.event(EventKind::ProofRequested).ip(client.ip.as_deref());
        self.events.record(event.reason(challenge.kind.as_str()));
        let expires_at = challenge.expires_at;
        Ok(Outcome::Pending(Pending {
            handle: handle.to_token(),
            methods,
            expires_at,
            resend_at: None,
        }))
    }

    /// Creates the session of a pending sign-in for which a factor of a flow outside this crate was
    /// verified. If the email address must be verified, a code is requested first.
    pub(super) async fn complete_by_factor(
        &self,
        challenge: &Challenge,
        user: User,
        factor: Factor,
        using: Option<Use>,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let proof = FactorProof::new(factor, whole_millis(self.clock.now()));
        let beginning = NewSession { using, ..pending_session(challenge, proof, client)? };
        let verified: Option<Verified> = read(&challenge.data, "verified")?;
        let wants_code = self.codes().is_some_and(|policy| policy.sign_up);
        if let Some(email) = user.email.as_ref().filter(|_| wants_code)
            && user.email_verified_at.is_none()
        {
            let NewSession { factors, transport, client, upstream, using } = beginning;
            if let Some(using) = &using
                && !self.credentials.use_credential(using).await?
            {
                return Err(ErrorKind::InvalidCredentials.into());
            }
            let mut data = Map::new();
            data.insert("factors".to_owned(), json!(factors));
            data.insert("transport".to_owned(), json!(transport));
            data.insert("upstream".to_owned(), json!(upstream));
            data.insert("verified".to_owned(), json!(verified));
            let letter = Letterhead { kind: MessageKind::SignInCode, to: email, user: Some(&user) };
            let kind = ChallengeKind::SignIn;
            let asked = Asked { kind, letter, decoy: false, data, client: &client };
            return Ok(Outcome::Pending(self.ask(asked).await?));
        }
        let complete = |own: &User| {
            (own.is_active() && own.email == challenge.address).then(|| AccountWrites {
                requires: verified.iter().map(Verified::requirement).collect(),
                ..AccountWrites::new(own.clone())
            })
        };
        let begun = self.sessions.begin_within(&user.id, beginning, &complete).await?;
        let (user, issued) = begun.map_err(|_| AuthError::from(ErrorKind::InvalidCredentials))?;
        self.note_device(&user, &issued.session, true);
        Ok(Outcome::complete(user, issued))
    }
}
