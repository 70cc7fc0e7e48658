//! The registration of flows while the configuration is built.
//!
//! [`Flow::register`] receives a [`Registry`], which returns typed handles for the parts that the
//! flow needs. Every part has a name; if two flows register the same name, the [`ConfigError`]
//! names both flows.

mod add_routes;
#[cfg(feature = "openapi")]
mod document;
mod handles;
#[cfg(feature = "openapi")]
mod openapi;
mod parts;
mod routes;
#[cfg(feature = "sealing")]
mod sealing;
mod service_of;
mod shelf;

use std::{
    any::{Any, TypeId},
    cmp::Reverse,
    collections::HashMap,
    fmt,
    sync::Arc,
};

use axum::routing::MethodRouter;
pub(crate) use routes::Routes;
pub use service_of::ServiceOf;
pub(crate) use shelf::Shelf;

use crate::{
    config::ConfigError,
    contract::Described,
    services::{
        Bearers, CodeHandlers, Core, CredentialKinds, Factors, Facts, Messages, PageLinks,
        RoutePaths, Services, TransitionRules, offers::Offers,
    },
};

/// A sign-in method or another part of authentication, as configured.
///
/// A flow is a value with its own options. Registered with
/// [`AuthBuilder::flow`](crate::AuthBuilder::flow), it becomes a service, which is callable without
/// HTTP, and routes that call the service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a flow",
    label = "not a flow",
    note = "`.flow(…)` takes a flow such as `Password::new()`; wrap a `Provider` in `OAuth::new(…)`"
)]
pub trait Flow: Send + 'static {
    /// The service, which can be called without HTTP. [`Auth::service`](crate::Auth::service)
    /// returns it.
    type Service: Clone + Send + Sync + 'static;

    /// Returns the name, unique among the registered flows.
    fn name(&self) -> &str;

    /// Checks the options, registers what the flow offers, and returns the service.
    ///
    /// The handles of the registry can be used after
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) has returned.
    ///
    /// # Errors
    ///
    /// [`ConfigError::flow`] with the name of the invalid option.
    fn register(self, registry: &mut Registry) -> Result<Self::Service, ConfigError>;
}

/// The registry that flows register their parts in.
pub struct Registry {
    core: Arc<Core>,
    /// The name of the flow that is being registered.
    flow: String,
    /// The flow that registered each name.
    names: HashMap<String, String>,
    /// The first error of a method that does not return a `Result`.
    problem: Option<ConfigError>,
    offers: Offers,
    routes: Routes,
    described: Vec<Described>,
    /// Descriptions of the routes of flows outside this crate.
    #[cfg(feature = "openapi")]
    parts: Vec<utoipa::openapi::OpenApi>,
    /// Routes below `/.well-known` that other flows may replace.
    defaults: Vec<(String, MethodRouter)>,
    services: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    shared: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    shelf: Arc<Shelf>,
    required: Vec<Required>,
    /// The flows that require the pages of this crate, each with the problem without them.
    pages_required: Vec<(String, &'static str)>,
    codes: CodeHandlers,
    credentials: CredentialKinds,
    transitions: TransitionRules,
    factors: Factors,
    messages: Messages,
    bearers: Bearers,
    facts: Facts,
}

/// A flow that another one requires.
struct Required {
    by: String,
    flow: TypeId,
    name: &'static str,
}

/// The result of the registration.
pub(crate) struct Registered {
    pub(crate) routes: Routes,
    pub(crate) shelf: Arc<Shelf>,
}

impl Registry {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            flow: String::new(),
            names: HashMap::new(),
            problem: None,
            offers: Offers::default(),
            routes: Routes::default(),
            described: Vec::new(),
            #[cfg(feature = "openapi")]
            parts: Vec::new(),
            defaults: Vec::new(),
            services: HashMap::new(),
            shared: HashMap::new(),
            shelf: Arc::default(),
            required: Vec::new(),
            pages_required: Vec::new(),
            codes: CodeHandlers::default(),
            credentials: CredentialKinds::default(),
            transitions: TransitionRules::default(),
            factors: Factors::default(),
            messages: Messages::default(),
            bearers: Bearers::default(),
            facts: Facts::default(),
        }
    }

    /// Registers a flow and stores its service.
    pub(crate) fn add<F: Flow>(&mut self, flow: F) -> Result<(), ConfigError> {
        flow.name().clone_into(&mut self.flow);
        self.claim("flow", &self.flow.clone());
        let service = flow.register(self)?;
        self.services.insert(TypeId::of::<F>(), Box::new(service));
        self.problem.take().map_or(Ok(()), Err)
    }

    /// Completes the registration; the services can be used afterwards.
    pub(crate) fn finish(mut self) -> Result<Registered, ConfigError> {
        self.add_defaults();
        for Required { by, flow, name } in self.required {
            if !self.services.contains_key(&flow) {
                let problem = format!("needs the flow `{name}`: add it with .flow(…)");
                return Err(ConfigError::Flow { flow: by, problem });
            }
        }
        if self.offers.get::<PageLinks>().is_none()
            && let Some((flow, problem)) = self.pages_required.into_iter().next()
        {
            return Err(ConfigError::flow(flow, problem));
        }
        self.shelf.fill(self.services);
        if !self.codes.0.is_empty() {
            self.offers.insert(self.codes);
        }
        self.factors.0.sort_by_key(|factor| Reverse(factor.strength()));
        self.offers.insert(self.factors);
        self.offers.insert(self.credentials);
        self.offers.insert(self.messages);
        self.offers.insert(self.bearers);
        self.offers.insert(self.facts);
        let paths = self.names.keys().filter_map(|key| key.strip_prefix("path "));
        self.offers.insert(RoutePaths(paths.map(ToOwned::to_owned).collect()));
        self.core.transitions.register(self.transitions);
        #[cfg(feature = "openapi")]
        self.offers.insert(document::document(&self.core, self.described, self.parts));
        self.core.complete(self.offers);
        Ok(Registered { routes: self.routes, shelf: self.shelf })
    }

    /// Returns the services that flows share.
    pub fn services(&self) -> Services {
        Services::new(&self.core)
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Provides a part to the services and to other flows. There is one part of each type.
    pub(crate) fn offer<T: Send + Sync + 'static>(&mut self, part: T) -> &mut Self {
        self.offers.insert(part);
        self
    }

    /// Requires the pages of this crate, whichever flow is registered first. Without them, `build`
    /// fails with the problem.
    pub(crate) fn requires_pages(&mut self, problem: &'static str) -> &mut Self {
        self.pages_required.push((self.flow.clone(), problem));
        self
    }

    /// Returns a service that several flows share. The first flow creates it and registers its
    /// routes; the type of the service tells it from others.
    ///
    /// ```
    /// # use authlayer::Registry;
    /// #[derive(Clone)]
    /// struct Tenants;
    ///
    /// fn tenants(registry: &mut Registry) -> Tenants {
    ///     registry.shared(|_registry| Tenants)
    /// }
    /// ```
    pub fn shared<S: Clone + Send + Sync + 'static>(
        &mut self,
        create: impl FnOnce(&mut Self) -> S,
    ) -> S {
        let key = TypeId::of::<S>();
        if let Some(own) = self.shared.get(&key).and_then(|own| own.downcast_ref::<S>()) {
            return own.clone();
        }
        let created = create(self);
        self.shared.insert(key, Box::new(created.clone()));
        created
    }

    /// Registers a name for the current flow.
    fn claim(&mut self, space: &str, name: &str) {
        let key = format!("{space} {name}");
        if let Some(first) = self.names.insert(key, self.flow.clone()) {
            let (name, second) = (name.to_owned(), self.flow.clone());
            self.problem.get_or_insert(ConfigError::Duplicate { name, first, second });
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("flow", &self.flow).finish_non_exhaustive()
    }
}
