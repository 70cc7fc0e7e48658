//! Remembered devices. This flow is always enabled.
//!
//! | route | response |
//! |---|---|
//! | `GET /devices` | 200: the devices that are not asked for a second factor |
//! | `DELETE /devices/{id}` | 204: forgets a device |
//! | `DELETE /devices` | 200: forgets all of them |

mod routes;
mod service;

use self::service::DeviceService;
use super::Flow;
use crate::{config::ConfigError, registry::Registry};

#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceFlow;

impl Flow for DeviceFlow {
    type Service = DeviceService;

    fn name(&self) -> &str {
        "devices"
    }

    fn register(self, registry: &mut Registry) -> Result<DeviceService, ConfigError> {
        let service = DeviceService { core: registry.core() };
        routes::register(registry, &service);
        Ok(service)
    }
}
