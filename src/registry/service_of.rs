//! Access to the services of other flows.

use std::{
    any::{TypeId, type_name},
    fmt,
    marker::PhantomData,
    sync::{Arc, Weak},
};

use super::{Flow, Registry, Required, shelf::Shelf};

impl Registry {
    /// Returns a handle to the service of another flow. The order of registration does not matter.
    pub fn service<F: Flow>(&self) -> ServiceOf<F> {
        ServiceOf(Arc::downgrade(&self.shelf), PhantomData)
    }

    /// Requires another flow: if it is missing, `build` fails with an error that names both.
    pub fn requires<F: Flow>(&mut self) -> &mut Self {
        let name = type_name::<F>().rsplit("::").next().unwrap_or_default();
        self.required.push(Required { by: self.flow.clone(), flow: TypeId::of::<F>(), name });
        self
    }
}

/// A handle to the service of another flow, which can be registered before or after this one.
pub struct ServiceOf<F: Flow>(Weak<Shelf>, PhantomData<fn() -> F>);

impl<F: Flow> ServiceOf<F> {
    /// Returns the service, or `None` if the flow is not registered.
    pub fn get(&self) -> Option<F::Service> {
        self.0.upgrade()?.get(TypeId::of::<F>())
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
