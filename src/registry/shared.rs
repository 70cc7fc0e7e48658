//! The services of all flows, for each other.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock, Weak},
};

use super::Flow;

type Services = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

/// Keeps the services. The handle of the application owns it, so services may refer to each other
/// without keeping each other alive.
#[derive(Default)]
pub(crate) struct Shelf(OnceLock<Services>);

impl Shelf {
    pub(super) fn fill(&self, services: Services) {
        // Filled once, at the end of the registration.
        let _filled = self.0.set(services);
    }

    /// Returns the service of a flow.
    pub(crate) fn get<F: Flow>(&self) -> Option<F::Service> {
        self.0.get()?.get(&TypeId::of::<F>())?.downcast_ref::<F::Service>().cloned()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

/// The service of another flow, whether it is registered before or after this one.
pub struct ServiceOf<F: Flow>(Weak<Shelf>, PhantomData<fn() -> F>);

impl<F: Flow> ServiceOf<F> {
    pub(super) fn new(shelf: &Arc<Shelf>) -> Self {
        Self(Arc::downgrade(shelf), PhantomData)
    }

    /// Returns the service, or `None` if the flow is not registered.
    pub fn get(&self) -> Option<F::Service> {
        self.0.upgrade()?.get::<F>()
    }
}

impl<F: Flow> Clone for ServiceOf<F> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0), PhantomData)
    }
}

impl<F: Flow> fmt::Debug for ServiceOf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceOf").finish_non_exhaustive()
    }
}
