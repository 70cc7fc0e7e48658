//! The relying party, and the origins whose pages and applications can use its passkeys.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use webauthn_rs::prelude::{Url, Webauthn, WebauthnBuilder};

use super::Passkeys;
use crate::{
    origin::{Origins, host_of},
    services::Core,
};

const ANDROID: &str = "android:apk-key-hash:";
/// The length of a SHA-256 digest.
const DIGEST_LEN: usize = 32;

/// The relying party of the ceremonies.
#[derive(Clone)]
pub(super) struct RelyingParty {
    pub(super) rp_id: Arc<str>,
    pub(super) webauthn: Arc<Webauthn>,
    pub(super) origins: Arc<PasskeyOrigins>,
}

/// The origins as they must be in the client data.
#[derive(Debug)]
pub(super) struct PasskeyOrigins {
    listed: Vec<String>,
    /// Origins that are not listed, with the domain that their host must be within.
    rules: Option<(Origins, String)>,
}

impl PasskeyOrigins {
    pub(super) fn contains(&self, origin: &str) -> bool {
        let accepts = |(rules, rp_id): &(Origins, String)| {
            is_within(host_of(origin), rp_id) && rules.accepts(origin)
        };
        self.listed.iter().any(|own| own == origin) || self.rules.as_ref().is_some_and(accepts)
    }
}

impl From<Vec<String>> for PasskeyOrigins {
    fn from(listed: Vec<String>) -> Self {
        Self { listed, rules: None }
    }
}

impl Passkeys {
    /// Returns the relying party, or `None` if every origin has a loopback address as its host.
    pub(super) fn relying_party(
        &self,
        core: &Core,
        timeout: Duration,
    ) -> Result<Option<RelyingParty>, String> {
        let own: Vec<&str> = core.origins.iter().collect();
        for origin in &self.related {
            if !own.contains(&origin.as_str()) {
                return Err(format!(
                    "the related origin {origin:?} is not one of the origins: add it with .origin({origin:?})"
                ));
            }
        }
        let mut origins = Vec::new();
        for origin in own {
            let url = Url::parse(origin).map_err(|_| format!("{origin} is not an origin"))?;
            match url.domain() {
                Some(_) => origins.push((origin, url)),
                None if !core.origins.is_secure() => warn_of_address(origin),
                None => {
                    return Err(format!(
                        "passkeys require a domain name as host of the origin, and {origin} has an IP address"
                    ));
                }
            }
        }
        let Some((first, _)) = origins.first() else { return Ok(None) };
        let rp_id = self.rp_id.as_deref().unwrap_or_else(|| host_of(first)).to_owned();
        for (origin, _) in &origins {
            let is_related = self.related.iter().any(|related| related == origin);
            if !is_within(host_of(origin), &rp_id) && !is_related {
                return Err(format!("the origin {origin} is not within {rp_id:?}"));
            }
        }
        let own = origins.iter().find(|(origin, _)| is_within(host_of(origin), &rp_id));
        let (_, own) = own.ok_or_else(|| format!("no origin is within {rp_id:?}"))?;
        let mut allowed: Vec<Url> = origins.iter().map(|(_, url)| url.clone()).collect();
        let mut listed: Vec<String> =
            origins.iter().map(|(origin, _)| (*origin).to_owned()).collect();
        for origin in &self.android {
            allowed.push(android_origin(origin)?);
            listed.push(origin.clone());
        }
        let mut builder = WebauthnBuilder::new(&rp_id, own).map_err(|error| error.to_string())?;
        let rules = core.origins.has_rules().then(|| (core.origins.clone(), rp_id.clone()));
        if rules.is_some() {
            // `PasskeyOrigins` decides which hosts and ports these are.
            let scheme = own.scheme();
            let all = format!("{scheme}://{rp_id}");
            allowed.push(Url::parse(&all).map_err(|_| format!("{all} is not an origin"))?);
            builder = builder.allow_subdomains(true).allow_any_port(true);
        }
        let builder = allowed.iter().fold(builder, WebauthnBuilder::append_allowed_origin);
        let built = builder.rp_name(&self.name).timeout(timeout).build();
        let webauthn = Arc::new(built.map_err(|error| error.to_string())?);
        let origins = Arc::new(PasskeyOrigins { listed, rules });
        Ok(Some(RelyingParty { rp_id: rp_id.into(), webauthn, origins }))
    }
}

fn warn_of_address(origin: &str) {
    let port = origin.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    tracing::warn!(
        "passkeys are left out at {origin}: they require a domain name as host, and not an IP \
         address. Open http://localhost{port}, and add .origin(\"http://localhost{port}\")"
    );
}

/// Returns `true` for the domain and its subdomains.
fn is_within(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Parses the origin of an Android application.
fn android_origin(origin: &str) -> Result<Url, String> {
    let digest = origin.strip_prefix(ANDROID).and_then(|hash| URL_SAFE_NO_PAD.decode(hash).ok());
    let is_digest = digest.is_some_and(|digest| digest.len() == DIGEST_LEN);
    let url = Url::parse(origin).ok().filter(|_| is_digest);
    url.ok_or_else(|| {
        format!(
            "the Android origin {origin:?} is invalid: expected {ANDROID:?} and the SHA-256 \
             fingerprint of the signing certificate in unpadded base64url"
        )
    })
}
