//! Authenticator apps, without HTTP.

use std::{fmt, sync::Arc};

use data_encoding::BASE32_NOPAD;
use fast_qr::{ECL, QRBuilder, convert::svg::SvgBuilder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    code::{DIGITS, PERIOD, matching_step},
    factor::{App, Secrets},
};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        digest::{Digest, Domain},
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    flow::recovery_codes::RecoveryCodes,
    mail::{MailObject, MessageKind, Occasion},
    model::{Basis, ClientInfo, Email, Factor, FactorProof, Session, User},
    registry::ServiceOf,
    services::{Addition, Authority, Core, Removal, Replacement, new_user_id},
    session::IssuedTokens,
    store::{Challenge, ChallengeKind, Credential, CredentialKind, Unmet},
};

const LIFE: std::time::Duration = std::time::Duration::from_secs(600);
const MAX_ATTEMPTS: u32 = 5;
const MAX_PER_USER: u32 = 5;
/// 160 bits (RFC 4226 §4).
const SECRET_LEN: usize = 20;

/// Percent-encodes all but unreserved characters and `@`.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// Enrolls, lists and removes authenticator apps.
#[derive(Clone)]
pub struct TotpService {
    pub(super) core: Arc<Core>,
    recovery: ServiceOf<RecoveryCodes>,
    secrets: Secrets,
    issuer: Arc<str>,
}

/// A started enrollment. Nothing is enrolled yet. `Debug` is redacted.
#[derive(Serialize)]
#[non_exhaustive]
pub struct TotpEnrollment {
    /// The secret of the client that started the enrollment.
    #[serde(serialize_with = "exposed")]
    pub challenge: TokenString,
    /// The secret of the app, in base32.
    pub secret: String,
    /// The URI that an app reads, in the format of Google Authenticator.
    pub uri: String,
    /// The URI as a QR code: an SVG document without scripts and external references.
    pub qr: String,
}

/// A finished enrollment. `Debug` is redacted.
#[derive(Serialize)]
#[non_exhaustive]
pub struct TotpRegistration {
    /// The app as JSON: `id, name, created_at, last_used_at`.
    pub totp: Value,
    /// New recovery codes, if the user had none. They cannot be read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<String>>,
}

/// The data of the challenge of an enrollment.
#[derive(Deserialize, Serialize)]
struct Enrollment {
    session: String,
    authority: Authority,
}

impl TotpService {
    pub(super) fn new(
        core: Arc<Core>,
        recovery: ServiceOf<RecoveryCodes>,
        secrets: Secrets,
        issuer: String,
    ) -> Self {
        Self { core, recovery, secrets, issuer: issuer.into() }
    }

    /// Starts the enrollment of an app on a session. It is valid for ten minutes and five attempts,
    /// on this session only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] without recent authentication, with the strongest factor of
    /// the user; [`ErrorKind::Unavailable`].
    pub async fn start_registration(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<TotpEnrollment, AuthError> {
        let authority = self.core.fresh_or_recovering(user, session).await?;
        self.start(user, session, authority).await
    }

    pub(super) async fn start(
        &self,
        user: &User,
        session: &Session,
        authority: Authority,
    ) -> Result<TotpEnrollment, AuthError> {
        let handle = OneTimeToken::random(TokenPurpose::Challenge)?;
        let now = whole_millis(self.core.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::TotpRegistration,
            user_id: Some(user.id.clone()),
            address: None,
            code: None,
            tries: MAX_ATTEMPTS,
            data: json!(Enrollment { session: session.id.to_string(), authority }),
            created_at: now,
            expires_at: after(now, LIFE),
        };
        self.core.store_challenge(&challenge).await?;
        self.describe(user, &handle)
    }

    /// Returns the secret of an enrollment, as text, URI and QR code.
    pub(super) fn describe(
        &self,
        user: &User,
        handle: &OneTimeToken,
    ) -> Result<TotpEnrollment, AuthError> {
        let secret = secret_of(handle);
        let secret = BASE32_NOPAD.encode(secret.get(..SECRET_LEN).unwrap_or_default());
        let uri = self.uri(user, &secret);
        let qr = QRBuilder::new(uri.as_str()).ecl(ECL::M).build();
        let qr = qr.map_err(|error| {
            AuthError::new(ErrorKind::Misconfigured).with_source(format!("no QR code: {error:?}"))
        })?;
        let qr = SvgBuilder::default().to_str(&qr);
        Ok(TotpEnrollment { challenge: handle.to_token(), secret, uri, qr })
    }

    /// Returns the remaining attempts and the authority of an enrollment of this session.
    pub(super) async fn find(
        &self,
        handle: &OneTimeToken,
        user: &User,
        session: &Session,
    ) -> Result<Option<(u32, Authority)>, AuthError> {
        let core = &self.core;
        let found = core.challenges.find_challenge(&handle.digest(), core.clock.now()).await?;
        let found = found.filter(|own| {
            own.kind == ChallengeKind::TotpRegistration && own.user_id.as_ref() == Some(&user.id)
        });
        let Some(found) = found else { return Ok(None) };
        let enrollment = Enrollment::deserialize(&found.data).ok();
        let enrollment = enrollment.filter(|own| own.session == session.id.to_string());
        Ok(enrollment.map(|own| (found.tries, own.authority)))
    }

    /// Finishes an enrollment with the first code of the app, which counts as used. Returns the app
    /// and the session with new tokens.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidCode`] for a wrong code.
    /// - [`ErrorKind::ChallengeExpired`] if the enrollment is unknown, used, expired, out of
    ///   attempts, or of another session.
    /// - [`ErrorKind::TooManyFactors`] if the user has five apps.
    pub async fn finish_registration(
        &self,
        challenge: &str,
        code: &str,
        name: Option<String>,
        (user, session): (&User, &Session),
        client: &ClientInfo,
    ) -> Result<(TotpRegistration, IssuedTokens), AuthError> {
        let expired = || AuthError::from(ErrorKind::ChallengeExpired);
        let core = &self.core;
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, challenge).ok_or_else(expired)?;
        let (id, now) = (handle.digest(), core.clock.now());
        let (_, authority) = self.find(&handle, user, session).await?.ok_or_else(expired)?;
        core.challenges.try_challenge(&id, now).await?.ok_or_else(expired)?;
        let secret = secret_of(&handle);
        let secret = secret.get(..SECRET_LEN).unwrap_or_default();
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let Some(last_step) = matching_step(secret, &code, now, None) else {
            let event = core.event(EventKind::ProofRefused).user(&user.id);
            core.events.record(event.client(client).reason("wrong_code"));
            return Err(ErrorKind::InvalidCode.into());
        };
        core.challenges.take_challenge(&id, None, now).await?.ok_or_else(expired)?;
        let name = name.unwrap_or_else(|| "Authenticator app".to_owned());
        let new = (name, Zeroizing::new(BASE32_NOPAD.encode(secret)), last_step);
        self.enroll(new, authority, (user, session), client).await
    }

    async fn enroll(
        &self,
        (name, base32, last_step): (String, Zeroizing<String>, u64),
        authority: Authority,
        (user, session): (&User, &Session),
        client: &ClientInfo,
    ) -> Result<(TotpRegistration, IssuedTokens), AuthError> {
        let core = &self.core;
        let now = whole_millis(core.clock.now());
        let id = new_user_id(now)?.as_str().to_owned();
        let mut credential = Credential {
            id: id.clone(),
            user_id: user.id.clone(),
            kind: CredentialKind::Totp,
            lookup: id,
            data: Value::Null,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        };
        let secret = self.secrets.stored(&credential, &base32)?;
        let app = App { name, secret, last_step };
        credential.data = serde_json::to_value(&app).map_err(AuthError::misconfigured)?;
        let codes = match self.recovery.get() {
            Some(recovery) => recovery.first_set(user).await?,
            None => None,
        };
        let (recovery_codes, set) = codes.unzip();
        let once = core.recovery_use(authority, session, Replacement::Add, Factor::Totp).await?;
        // An app that a recovery allowed counts only after it was verified.
        let proof = FactorProof::new(Factor::Totp, now).on(Basis::Enrolled);
        let proof = authority.is_fresh().then_some(proof);
        let about = Occasion::of(client).what(named(&app));
        let notice = core.notice(user, MessageKind::FactorAdded, about);
        let (at_most, put, mails) = (Some(MAX_PER_USER), set.into_iter().collect(), notice.rows());
        let addition = Addition { at_most, proof, put, once, mails };
        let added = core.add_credential(session, &credential, addition).await?;
        let (_, issued) = match added.added() {
            Ok(added) => added,
            Err(Unmet::Limit) => return Err(ErrorKind::TooManyFactors.into()),
            Err(_) => return Err(core.step_up_required(session).await),
        };
        let event = core.event(EventKind::TotpAdded).user(&user.id).session(session.id);
        core.events.record(event.client(client));
        if recovery_codes.is_some() {
            let event = core.event(EventKind::RecoveryCodesCreated).user(&user.id);
            core.events.record(event.session(session.id).client(client));
        }
        notice.send();
        Ok((TotpRegistration { totp: view(&credential, &app), recovery_codes }, issued))
    }

    /// Returns the apps of a user as JSON, oldest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn list(&self, user: &User) -> Result<Vec<Value>, AuthError> {
        let own = self.apps(user).await?;
        Ok(own.iter().map(|(row, app)| view(row, app)).collect())
    }

    /// Removes an app, ends the user's other sessions on which it was verified, and forgets
    /// remembered devices. With the last second factor the recovery codes are deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user has no such app; [`ErrorKind::StepUpRequired`] without
    /// recent authentication.
    pub async fn remove(
        &self,
        user: &User,
        session: &Session,
        id: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let authority = self.core.fresh_or_recovering(user, session).await?;
        self.take_off((user, session), authority, id, client).await
    }

    pub(super) async fn take_off(
        &self,
        (user, session): (&User, &Session),
        authority: Authority,
        id: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let core = &self.core;
        let found = self.apps(user).await?.into_iter().find(|(row, _)| row.id == id);
        let (row, app) = found.ok_or(ErrorKind::NotFound)?;
        let removal = core.factor_removal(user, Some(session), &row, Factor::Totp).await?;
        let once = core.recovery_use(authority, session, Replacement::Remove, Factor::Totp).await?;
        let about = Occasion::of(client).what(named(&app));
        let notice = core.notice(user, MessageKind::FactorRemoved, about);
        let removal = Removal { once, mails: notice.rows(), ..removal };
        core.remove_credential(session, &row, removal).await?;
        let event = core.event(EventKind::TotpRemoved).user(&user.id).session(session.id);
        core.events.record(event.client(client));
        notice.send();
        Ok(())
    }

    async fn apps(&self, user: &User) -> Result<Vec<(Credential, App)>, AuthError> {
        let all = self.core.credentials.list_credentials(&user.id).await?;
        let own = all.into_iter().filter(|own| own.kind == CredentialKind::Totp);
        own.map(|own| {
            Ok((own.clone(), App::deserialize(&own.data).map_err(AuthError::misconfigured)?))
        })
        .collect()
    }

    fn uri(&self, user: &User, secret: &str) -> String {
        let name = user.email.as_ref().map(Email::as_str).or(user.username.as_deref());
        let name = utf8_percent_encode(name.unwrap_or(user.id.as_str()), ENCODED);
        let issuer = utf8_percent_encode(&self.issuer, ENCODED);
        format!(
            "otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}\
            &algorithm=SHA1&digits={DIGITS}&period={PERIOD}"
        )
    }
}

/// Returns the bytes of which the secret of an enrollment is a part.
fn secret_of(handle: &OneTimeToken) -> Zeroizing<[u8; 32]> {
    let digest = Digest::hash(Domain::TOTP_SECRET, handle.to_token().expose().as_bytes());
    Zeroizing::new(*digest.as_bytes())
}

fn named(app: &App) -> MailObject {
    MailObject::AuthenticatorApp(app.name.clone())
}

fn view(row: &Credential, app: &App) -> Value {
    json!({
        "id": row.id,
        "name": app.name,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    })
}

fn exposed<S: serde::Serializer>(token: &TokenString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

impl fmt::Debug for TotpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TotpService").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for TotpEnrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TotpEnrollment").finish_non_exhaustive()
    }
}

impl fmt::Debug for TotpRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TotpRegistration").field("totp", &self.totp).finish_non_exhaustive()
    }
}
