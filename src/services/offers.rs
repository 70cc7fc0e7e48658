//! The parts that flows provide to each other and to the services.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
};

/// The parts that flows registered, one of each type. Complete once the configuration is built.
#[derive(Default)]
pub(crate) struct Offers(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Offers {
    /// Adds a part; it replaces one of the same type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, part: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(part));
    }

    /// Returns the part of a type.
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>()).and_then(|part| part.downcast_ref())
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offers").field("parts", &self.0.len()).finish()
    }
}
