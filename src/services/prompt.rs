//! Challenges that a second factor answers, and their prompts.

use serde_json::{Map, Value};

use super::{
    ChallengeHandle, Client, Core, Pending, PendingChallenge, Prompt,
    factor::{AnyFactor, Sent},
    methods::known_methods,
    second_step::read,
};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    model::User,
    store::{Challenge, ChallengeKind},
};

/// The lifetime of a step-up, and of a pending sign-in without an email code.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(600);
const ATTEMPTS: u32 = 5;

impl Core {
    /// Creates the challenge of a pending sign-in without an email code, or of a step-up.
    pub(super) fn new_pending(
        &self,
        handle: &OneTimeToken,
        kind: ChallengeKind,
        user: &User,
        data: Value,
    ) -> Challenge {
        let now = whole_millis(self.clock.now());
        Challenge {
            id: handle.digest(),
            kind,
            user_id: Some(user.id.clone()),
            address: user.email.clone(),
            code: None,
            tries: ATTEMPTS,
            data,
            created_at: now,
            expires_at: after(now, LIFETIME),
        }
    }

    /// Prompts for a factor: stores its state, and sends its code. If it `must_send` something, it
    /// fails for a factor that does not.
    pub(super) async fn prompt(
        &self,
        client: &Client,
        factor: &dyn AnyFactor,
        challenge: &Challenge,
        handle: &ChallengeHandle,
        must_send: bool,
    ) -> Result<PendingChallenge, AuthError> {
        let session = self.session_of(client, challenge).await?;
        let id = challenge.user_id.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let user = self.users.find_user(id).await?.ok_or(ErrorKind::ChallengeExpired)?;
        let account = self.account(&user).await?;
        let secret = OneTimeToken::parse(TokenPurpose::Challenge, handle.expose());
        let secret = secret.ok_or(ErrorKind::ChallengeExpired)?;
        let mut prompt = Prompt {
            core: self,
            client,
            account: &account,
            handle: &secret,
            factor: factor.factor(),
            verified: read(&challenge.data, "factors").unwrap_or_default(),
            session,
            sent: None,
            state: None,
            options: None,
        };
        factor.prompt(&mut prompt).await?;
        let Prompt { sent, state, options, .. } = prompt;
        if must_send && sent.is_none() && options.is_none() {
            return Err(not_offered());
        }
        let data = prompted(challenge, factor.factor().as_str(), sent.as_ref(), state);
        let code = sent.as_ref().map(|sent| sent.code);
        let (id, now) = (&challenge.id, self.clock.now());
        let before = &challenge.data;
        if !self.challenges.replace_data(id, before, &data, code.as_ref(), now).await? {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        let resend_at = match sent {
            Some(sent) => {
                let interval = sent.delivery.interval();
                sent.delivery.send()?;
                Some(after(whole_millis(now), interval))
            }
            None => None,
        };
        let mut pending = PendingChallenge::new(
            client.context().core(),
            Pending {
                handle: secret.to_token(),
                methods: known_methods(challenge),
                expires_at: challenge.expires_at,
                resend_at,
            },
        );
        pending.options = options;
        Ok(pending)
    }
}

/// The data of a challenge after a prompt.
fn prompted(challenge: &Challenge, name: &str, sent: Option<&Sent>, state: Option<Value>) -> Value {
    let mut data = challenge.data.as_object().cloned().unwrap_or_default();
    if sent.is_some() {
        data.insert("sent".to_owned(), name.into());
    }
    if let Some(state) = state {
        let mut states: Map<String, Value> = match data.remove("states") {
            Some(Value::Object(states)) => states,
            _ => Map::new(),
        };
        states.insert(name.to_owned(), state);
        data.insert("states".to_owned(), Value::Object(states));
    }
    Value::Object(data)
}

/// The error for a method that a challenge does not offer.
pub(super) fn not_offered() -> AuthError {
    AuthError::new(ErrorKind::InvalidMembers).with_extension("members", vec!["method"])
}
