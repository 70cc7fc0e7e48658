//! The services of all flows.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::OnceLock,
};

type Services = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

/// The services of all flows. The handle of the application owns them, so services can refer to
/// each other without a reference cycle.
#[derive(Default)]
pub(crate) struct Shelf(OnceLock<Services>);

impl Shelf {
    pub(super) fn fill(&self, services: Services) {
        // Set once, at the end of the registration.
        let _filled = self.0.set(services);
    }

    /// Returns the service of the flow with this type.
    pub(crate) fn get<S: Clone + 'static>(&self, flow: TypeId) -> Option<S> {
        self.0.get()?.get(&flow)?.downcast_ref().cloned()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
