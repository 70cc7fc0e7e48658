//! Remembered devices: for a time they are not asked for a second factor after a password.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Core;
use crate::{
    clock::whole_millis,
    crypto::{
        digest::{Digest, Domain},
        handle::{OneTimeToken, TokenPurpose},
    },
    error::{AuthError, after_commit},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Session, SessionId, User},
    store::{Challenge, ChallengeKind},
};

/// How long a device is remembered if no flow says otherwise.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The stored data of a remembered device.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Device {
    ip: Option<String>,
    user_agent: Option<String>,
    last_used_at: Option<Timestamp>,
    /// The last session that was begun with it.
    session: Option<String>,
}

impl Device {
    fn used_by(session: &Session, at: Timestamp) -> Value {
        json!(Self {
            ip: session.client.ip.clone(),
            user_agent: session.client.user_agent.clone(),
            last_used_at: Some(at),
            session: Some(session.id.to_string()),
        })
    }
}

/// Returns the public id of a device, from which its secret cannot be computed.
fn id_of(device: &Challenge) -> String {
    Digest::hash(Domain::DEVICE_ID, device.id.as_bytes()).to_base64()
}

impl Core {
    /// Returns how long a device is remembered.
    pub(crate) fn device_life(&self) -> Duration {
        self.codes().map_or(REMEMBERED, |policy| policy.remember)
    }

    /// Creates a token that exempts the device of a new session from second factors for a time.
    /// Returns `None` if the token cannot be stored, or if the session has ended: revoking all
    /// sessions also forgets remembered devices.
    pub(crate) async fn remember_device(
        &self,
        user: &User,
        session: &Session,
    ) -> Option<OneTimeToken> {
        let remember = async {
            let life = self.device_life();
            let handle = OneTimeToken::random(TokenPurpose::Device)?;
            let mut device =
                self.of_user(ChallengeKind::TrustedDevice, handle.digest(), user, life);
            device.data = Device::used_by(session, device.created_at);
            let is_kept = self.challenges.insert_of_session(&device, session.id).await?;
            Ok::<_, AuthError>(is_kept.then_some(handle))
        };
        let handle = after_commit("a device is not remembered", remember).await??;
        let event = self.event(EventKind::DeviceRemembered).user(&user.id).session(session.id);
        self.events.record(event.client(&session.client));
        Some(handle)
    }

    /// Records that a remembered device began a session.
    pub(super) async fn device_was_used(&self, device: &Challenge, session: &Session) {
        let now = whole_millis(self.clock.now());
        let data = Device::used_by(session, now);
        let (id, before) = (&device.id, &device.data);
        let recorded = self.challenges.replace_data(id, before, &data, None, now);
        after_commit("the use of a remembered device is not recorded", recorded).await;
    }

    /// Returns the remembered devices of a user as JSON, the newest first.
    pub(crate) async fn remembered_devices(
        &self,
        session: &Session,
    ) -> Result<Vec<Value>, AuthError> {
        let mut all = self.devices_of(session).await?;
        all.sort_by_key(|device| std::cmp::Reverse(device.created_at));
        Ok(all.iter().map(|device| view(device, session.id)).collect())
    }

    /// Forgets the remembered device of this id, or all of them. Returns how many there were.
    pub(crate) async fn forget_devices(
        &self,
        user: &User,
        session: &Session,
        id: Option<&str>,
        client: &ClientInfo,
    ) -> Result<usize, AuthError> {
        let all = self.devices_of(session).await?;
        let mut forgotten = 0;
        for device in all.iter().filter(|own| id.is_none_or(|id| id_of(own) == id)) {
            let taken = self.challenges.take_challenge(&device.id, None, self.clock.now()).await?;
            forgotten += usize::from(taken.is_some());
        }
        if forgotten > 0 {
            let event = self.event(EventKind::DeviceForgotten).user(&user.id).session(session.id);
            self.events.record(event.client(client));
            self.notify(user, MessageKind::DeviceForgotten, Occasion::of(client));
        }
        Ok(forgotten)
    }

    async fn devices_of(&self, session: &Session) -> Result<Vec<Challenge>, AuthError> {
        let kind = ChallengeKind::TrustedDevice;
        let all = self.challenges.list_challenges(&session.user_id, kind).await?;
        let now = self.clock.now();
        Ok(all.into_iter().filter(|device| device.expires_at > now).collect())
    }
}

fn view(challenge: &Challenge, current: SessionId) -> Value {
    let device = Device::deserialize(&challenge.data).unwrap_or_default();
    json!({
        "id": id_of(challenge),
        "user_agent": device.user_agent,
        "ip": device.ip,
        "created_at": challenge.created_at,
        "last_used_at": device.last_used_at.unwrap_or(challenge.created_at),
        "expires_at": challenge.expires_at,
        "current": device.session == Some(current.to_string()),
    })
}
