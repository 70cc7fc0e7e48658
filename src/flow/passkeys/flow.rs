//! Registration of the passkey flow.

use super::{
    PasskeyService, Passkeys, ceremony,
    factor::{PasskeyFactor, SecurityKeyFactor},
    new_users, registered, routes,
};
use crate::{config::ConfigError, flow::Flow, registry::Registry};

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
        let relying_party = self.relying_party(&core, ceremony::LIFE).map_err(refused)?;
        let is_available = relying_party.is_some();
        let service = PasskeyService::new(core, self, relying_party);
        if !is_available {
            return Ok(service);
        }
        registry.second_factor(PasskeyFactor).second_factor(SecurityKeyFactor);
        routes::register(registry, &service);
        registered::register(registry, &service);
        new_users::register(registry, &service);
        routes::well_known(registry, &service);
        Ok(service)
    }
}
