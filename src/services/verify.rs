//! The operations that follow a verified email code.

use serde_json::{Value, json};

use super::{Core, Outcome, PasswordChange, ReliesOn, StepUp, Verified};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Factor, FactorProof, Session, User},
    store::{Challenge, ChallengeKind},
};

impl Core {
    /// Verifies a code. `owner` is the session of the request, which must match if the challenge
    /// belongs to one. Returns the challenge that it consumed, too.
    pub(crate) async fn verify_code(
        &self,
        handle: &str,
        code: &str,
        owner: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<(Outcome, Challenge), AuthError> {
        let ip = client.ip.clone();
        let challenge = self.answer(handle, code, owner, ip.as_deref()).await?;
        let outcome = match challenge.kind {
            ChallengeKind::SignUp => self.complete_sign_up(&challenge, client).await?,
            ChallengeKind::SignIn => self.complete_by_code(&challenge, client).await?,
            ChallengeKind::PasswordChange => {
                self.complete_password_change(&challenge, owner, &client).await?
            }
            ChallengeKind::EmailChange => {
                let (user, session) = self.same_session(&challenge, owner)?;
                self.complete_email_change(&challenge, user, session, &client).await?
            }
            ChallengeKind::StepUp => self.complete_step_up(&challenge, owner, &client).await?,
            _ => return Err(ErrorKind::ChallengeExpired.into()),
        };
        Ok((outcome, challenge))
    }

    async fn complete_by_code(
        &self,
        challenge: &Challenge,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let id = challenge.user_id.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(id).await?.filter(User::is_active);
        let user = user.ok_or(ErrorKind::ChallengeExpired)?;
        let proof = FactorProof::new(Factor::EmailCode, whole_millis(self.clock.now()));
        self.resume_sign_in(challenge, user, proof, None, client).await
    }

    async fn complete_password_change(
        &self,
        challenge: &Challenge,
        owner: Option<(&User, &Session)>,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let (user, session) = self.same_session(challenge, owner)?;
        let hash = challenge.data.get("hash").and_then(Value::as_str);
        let hash = hash.ok_or(ErrorKind::ChallengeExpired)?;
        let current: Option<Verified> =
            serde_json::from_value(challenge.data.get("current").cloned().unwrap_or_default())
                .map_err(|_| ErrorKind::ChallengeExpired)?;
        let current = current.as_ref().map(Verified::requirement);
        let change = PasswordChange { hash, current, is_verified: true };
        self.change_password(user, session, change, client).await
    }

    async fn complete_step_up(
        &self,
        challenge: &Challenge,
        owner: Option<(&User, &Session)>,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let (user, session) = self.same_session(challenge, owner)?;
        let email = challenge.address.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let proof = FactorProof::new(Factor::EmailCode, whole_millis(self.clock.now()));
        let step_up = StepUp { proof, relies_on: ReliesOn::Email(email) };
        let begun = self.step_up(user, session, step_up).await?;
        let event = self.event(EventKind::SteppedUp).user(&user.id).session(session.id);
        self.events.record(event.client(client));
        Ok(begun)
    }

    /// Returns the session of the request, which must be the one that started the change.
    fn same_session<'a>(
        &self,
        challenge: &Challenge,
        owner: Option<(&'a User, &'a Session)>,
    ) -> Result<(&'a User, &'a Session), AuthError> {
        let (user, session) = owner.ok_or(ErrorKind::Unauthenticated)?;
        if challenge.data.get("session") != Some(&json!(session.id)) {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        Ok((user, session))
    }
}
