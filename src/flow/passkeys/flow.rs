//! Registration of the passkey flow.

use webauthn_rs::prelude::{Url, Webauthn, WebauthnBuilder};

use super::{
    PasskeyService, Passkeys, ceremony,
    factor::{PasskeyFactor, SecurityKeyFactor},
    routes,
};
use crate::{config::ConfigError, flow::Flow, registry::Registry, services::Core};

impl Passkeys {
    fn ceremonies(&self, core: &Core) -> Result<(String, Webauthn), String> {
        let mut origins = Vec::new();
        for origin in core.origins.iter() {
            origins.push(Url::parse(origin).map_err(|_| format!("{origin} is not an origin"))?);
        }
        let first = origins.first().ok_or("no origin is configured")?;
        let host = first
            .domain()
            .ok_or("passkeys require a domain name as host of the origin, not an IP address")?;
        let rp_id = self.rp_id.as_deref().unwrap_or(host);
        for origin in &origins {
            let host = origin.domain().unwrap_or_default();
            let below = host.strip_suffix(rp_id).is_some_and(|rest| rest.ends_with('.'));
            if host != rp_id && !below {
                return Err(format!("the origin {origin} is not within {rp_id:?}"));
            }
        }
        let builder = WebauthnBuilder::new(rp_id, first).map_err(|error| error.to_string())?;
        let builder = origins.iter().skip(1).fold(builder, WebauthnBuilder::append_allowed_origin);
        let built = builder
            .rp_name(&self.name)
            .timeout(ceremony::LIFE)
            .build()
            .map_err(|error| error.to_string())?;
        Ok((rp_id.to_owned(), built))
    }
}

impl Flow for Passkeys {
    type Service = PasskeyService;

    fn name(&self) -> &str {
        "passkeys"
    }

    fn register(self, registry: &mut Registry) -> Result<PasskeyService, ConfigError> {
        let core = registry.core();
        let refused = |problem: String| ConfigError::Flow { flow: "passkeys".to_owned(), problem };
        if self.most == 0 {
            return Err(refused("most must be at least one".to_owned()));
        }
        if self.page.as_ref().is_some_and(|page| !page.starts_with('/')) {
            return Err(refused("page must be a path such as \"/settings/passkeys\"".to_owned()));
        }
        let webauthn = self.ceremonies(&core).map_err(refused)?;
        registry.second_factor(PasskeyFactor).second_factor(SecurityKeyFactor);
        let service = PasskeyService::new(core, self, webauthn);
        routes::register(registry, &service);
        routes::well_known(registry, &service);
        Ok(service)
    }
}
