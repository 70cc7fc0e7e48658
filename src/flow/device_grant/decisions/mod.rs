//! The decision of the user about a program.

mod routes;

pub(super) use routes::register;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    DeviceGrantService,
    service::user_code_id,
    stored::{Approval, UserCode, read},
};
use crate::{
    clock::whole_millis,
    crypto::{digest::Digest, typed::TypedHandle},
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::FlowLimit,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Session, User},
    services::{Client, Core, Programs, SessionTag},
    session::AuthUser,
    store::{AccountWrites, Applied, Challenge, ChallengeKind, Requirement, Unmet},
};

/// The limit of wrong user codes.
const WRONG_CODES: FlowLimit = FlowLimit {
    name: "user_code",
    window: std::time::Duration::from_secs(3600),
    per_key: None,
    per_network: Some(20),
};

/// The request of a program, for the user who decides.
///
/// ```
/// use authlayer::flow::device_grant::DeviceRequest;
///
/// fn question(request: &DeviceRequest) -> String {
///     let from = request.ip.as_deref().unwrap_or("an unknown address");
///     format!("{} at {from} asks to use your account.", request.client_name)
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeviceRequest {
    /// The id of the program. It is not verified.
    pub client_id: String,
    /// The name of the program, as configured.
    pub client_name: String,
    /// The IP address that the request came from.
    pub ip: Option<String>,
    /// The `User-Agent` of the program.
    pub user_agent: Option<String>,
    /// The time of the request.
    pub created_at: Timestamp,
    /// The time until which the user can decide and the program gets its session.
    pub expires_at: Timestamp,
}

impl DeviceGrantService {
    /// Returns the request of a user code, which belongs to the session of the user from then on.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, AuthUser, Client, flow::device_grant::{DeviceGrantService, DeviceRequest},
    /// };
    ///
    /// async fn asks(
    ///     grants: &DeviceGrantService,
    ///     client: &Client,
    ///     user: &AuthUser,
    ///     typed: &str,
    /// ) -> Result<DeviceRequest, AuthError> {
    ///     grants.claim(client, user, typed).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the code is wrong or expired, the request was decided, or it
    /// belongs to another session; [`ErrorKind::TooManyAttempts`] after 20 wrong codes of a network
    /// in an hour; [`ErrorKind::Forbidden`] for an API key; [`ErrorKind::Unavailable`].
    pub async fn claim(
        &self,
        client: &Client,
        user: &AuthUser,
        user_code: &str,
    ) -> Result<DeviceRequest, AuthError> {
        self.claim_from(client.info(), user, user_code).await
    }

    async fn claim_from(
        &self,
        client: &ClientInfo,
        user: &AuthUser,
        user_code: &str,
    ) -> Result<DeviceRequest, AuthError> {
        let (own, session) = (user.user(), without_key(user)?);
        let find = |request: &UserCode| request.is_free_for(session);
        let (found, mut request) = self.find(client, user_code, find).await?;
        if request.session.is_none() {
            request.session = Some(session.id.to_string());
            let (store, now) = (&self.core.challenges, self.core.clock.now());
            let after = json!(request);
            if !store.assign_data(&found.id, &found.data, &after, &own.id, now).await? {
                // Another request of this session may have claimed it first.
                let claimed = store.find_challenge(&found.id, now).await?;
                let claimed = claimed.and_then(|own| read(&own, ChallengeKind::UserCode));
                let is_own = |own: &UserCode| own.is_claimed_by(session);
                claimed.filter(is_own).ok_or(ErrorKind::NotFound)?;
            }
        }
        let name = self.name_of(&request.client).ok_or(ErrorKind::NotFound)?.to_owned();
        let UserCode { client: client_id, ip, user_agent, .. } = request;
        let Challenge { created_at, expires_at, .. } = found;
        Ok(DeviceRequest { client_id, client_name: name, ip, user_agent, created_at, expires_at })
    }

    /// Approves or denies the request that this session has [claimed](Self::claim). Approval
    /// requires recent authentication, and the user is notified of it by email.
    ///
    /// ```
    /// use authlayer::{AuthError, AuthUser, Client, flow::device_grant::DeviceGrantService};
    ///
    /// async fn deny(
    ///     grants: &DeviceGrantService,
    ///     client: &Client,
    ///     user: &AuthUser,
    ///     typed: &str,
    /// ) -> Result<(), AuthError> {
    ///     grants.decide(client, user, typed, false).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim), and [`ErrorKind::NotFound`] if this session has not claimed the
    /// request; [`ErrorKind::StepUpRequired`] for an approval; [`ErrorKind::InvalidToken`] if the
    /// session has ended.
    pub async fn decide(
        &self,
        client: &Client,
        user: &AuthUser,
        user_code: &str,
        approve: bool,
    ) -> Result<(), AuthError> {
        self.decide_from(client.info(), user, user_code, approve).await
    }

    async fn decide_from(
        &self,
        client: &ClientInfo,
        user: &AuthUser,
        user_code: &str,
        approve: bool,
    ) -> Result<(), AuthError> {
        let (own, session) = (user.user(), without_key(user)?);
        if approve {
            self.core.require_fresh(own, session).await?;
        }
        let find = |request: &UserCode| request.is_claimed_by(session);
        let (found, request) = self.find(client, user_code, find).await?;
        match approve {
            true => self.approve((own, session), &found.id, &request, client).await?,
            false => {
                let now = self.core.clock.now();
                let taken = self.core.challenges.take_challenge(&found.id, None, now).await?;
                taken.ok_or(ErrorKind::NotFound)?;
            }
        }
        let event = self.core.event(EventKind::DeviceGrantDecided).user(&own.id);
        let event = event.session(session.id).client(client).with("client_id", request.client);
        self.core.events.record(event.with("approved", approve));
        Ok(())
    }

    /// Replaces a request by its approval, on the condition that the session still exists.
    async fn approve(
        &self,
        (user, session): (&User, &Session),
        request: &Digest,
        data: &UserCode,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let core = &self.core;
        let device = Digest::from_base64(&data.device).ok_or(ErrorKind::NotFound)?;
        let name = self.name_of(&data.client).ok_or(ErrorKind::NotFound)?;
        let now = whole_millis(core.clock.now());
        let tags = tags(&data.client, session);
        let approval = Approval { client: data.client.clone(), at: now, tags };
        let approval = approval.challenge(&device, &user.id);
        let about = Occasion::of(client).at(now).what(name);
        let notices = core.notice(user, MessageKind::ProgramSignedIn, about);
        let mails = notices.rows();
        let approve = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: vec![
                    Requirement::Challenge(*request, now),
                    Requirement::session(session),
                ],
                challenges: vec![approval.clone()],
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        match core.users.apply(&user.id, &approve).await? {
            Applied::Done(_) => {
                notices.send();
                Ok(())
            }
            Applied::Unmet(Unmet::Challenge) => Err(ErrorKind::NotFound.into()),
            _ => Err(ErrorKind::InvalidToken.into()),
        }
    }

    /// Returns the request of a user code, if it is one that the session can use. The attempt is
    /// counted before.
    async fn find(
        &self,
        client: &ClientInfo,
        user_code: &str,
        is_usable: impl Fn(&UserCode) -> bool,
    ) -> Result<(Challenge, UserCode), AuthError> {
        let core = &self.core;
        let counted = core.limits.attempt(WRONG_CODES, "", client.ip.as_deref()).await?;
        let found = match TypedHandle::parse(user_code) {
            Some(handle) => {
                core.challenges.find_challenge(&user_code_id(&handle), core.clock.now()).await?
            }
            None => None,
        };
        let found =
            found.and_then(|own| read(&own, ChallengeKind::UserCode).map(|request| (own, request)));
        let Some(found) = found.filter(|(_, request)| is_usable(request)) else {
            let event = core.event(EventKind::ProofRefused).client(client);
            core.events.record(event.reason("user_code"));
            return Err(ErrorKind::NotFound.into());
        };
        core.limits.succeeded(counted).await;
        Ok(found)
    }
}

/// Returns the tags of the session of a program: the program, the session that approved it, and the
/// identity which began that session.
fn tags(client: &str, approved_by: &Session) -> Vec<SessionTag> {
    let upstream = approved_by.upstream.iter();
    let identity = upstream.map(|own| SessionTag::of_approver(&own.provider, &own.subject));
    [Programs::tag(client), SessionTag::session(approved_by.id)]
        .into_iter()
        .chain(identity)
        .collect()
}

/// Returns the session of a user; an API key cannot decide.
fn without_key(user: &AuthUser) -> Result<&Session, AuthError> {
    match user.api_key() {
        None => Ok(user.session()),
        Some(_) => Err(Core::not_by_key()),
    }
}
