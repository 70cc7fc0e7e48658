//! Routes that a flow registers.

use axum::{Router, middleware, routing::MethodRouter};

use super::Registry;
use crate::{
    contract::Route,
    http::{reply::cacheable, wrapped},
};

impl Registry {
    /// Registers routes below the mount path, with their state.
    ///
    /// Errors are checked in this order: 404 and 405 of the path, 403 `cross_origin`, 413 if the
    /// body is longer than 16 KiB, then the errors of the extractors in the order of the handler.
    /// Rejections of axum's own extractors become problem documents (RFC 9457).
    pub fn routes<S, const N: usize>(
        &mut self,
        state: &S,
        routes: [(&str, MethodRouter<S>); N],
    ) -> &mut Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let router = wrapped(self.collect(state, routes, false));
        self.merge(router, false)
    }

    /// Registers routes that other sites and programs call. They are not checked for
    /// `cross_origin`.
    ///
    /// # Security
    ///
    /// Use it only for routes whose body or header authenticates the request. For other requests of
    /// the same route, call [`Client::require_same_origin`](crate::Client::require_same_origin).
    pub fn routes_from_elsewhere<S, const N: usize>(
        &mut self,
        state: &S,
        routes: [(&str, MethodRouter<S>); N],
    ) -> &mut Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let router = wrapped(self.collect(state, routes, true));
        self.merge(router, true)
    }

    /// Registers routes of this crate, whose handlers read their bodies themselves. Each is made of
    /// an [`Operation`](crate::contract::Operation) and a handler.
    pub(crate) fn own_routes<S, R: Into<Route<S>>, const N: usize>(
        &mut self,
        state: &S,
        routes: [(&str, R); N],
    ) -> &mut Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let router = self.collect(state, routes, false);
        self.merge(router, false)
    }

    /// Registers routes that are not checked for `cross_origin`, because the body or a header
    /// authenticates the request.
    pub(crate) fn own_routes_from_elsewhere<S, R: Into<Route<S>>, const N: usize>(
        &mut self,
        state: &S,
        routes: [(&str, R); N],
    ) -> &mut Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let router = self.collect(state, routes, true);
        self.merge(router, true)
    }

    /// Registers a route below `/.well-known`, at the root of the host. Caches may store its
    /// responses for an hour.
    pub fn well_known(&mut self, name: &str, route: MethodRouter) -> &mut Self {
        self.claim("well-known", name);
        if self.problem.is_none() {
            let router = std::mem::take(&mut self.routes.well_known);
            let route = route.layer(middleware::map_response(cacheable));
            self.routes.well_known = router.route(&format!("/.well-known/{name}"), route);
        }
        self
    }

    /// Registers a route below `/.well-known`, unless another flow registers one, in any order.
    pub(crate) fn well_known_default(&mut self, name: &str, route: MethodRouter) -> &mut Self {
        self.defaults.push((name.to_owned(), route));
        self
    }

    /// Adds the defaults that no flow has replaced.
    pub(super) fn add_defaults(&mut self) {
        for (name, route) in std::mem::take(&mut self.defaults) {
            if !self.names.contains_key(&format!("well-known {name}")) {
                self.well_known(&name, route);
            }
        }
    }

    fn merge(&mut self, router: Router, from_elsewhere: bool) -> &mut Self {
        let routes = &mut self.routes;
        let all = if from_elsewhere { &mut routes.from_elsewhere } else { &mut routes.own };
        *all = std::mem::take(all).merge(router);
        self
    }

    fn collect<S, R: Into<Route<S>>, const N: usize>(
        &mut self,
        state: &S,
        routes: [(&str, R); N],
        from_elsewhere: bool,
    ) -> Router
    where
        S: Clone + Send + Sync + 'static,
    {
        let mut router = Router::new();
        for (path, route) in routes {
            self.claim("path", path);
            if self.problem.is_some() {
                return Router::new();
            }
            let Route { methods, described } = route.into();
            self.described.push(described.at(&self.flow, path, from_elsewhere));
            router = router.route(path, methods);
        }
        router.with_state(state.clone())
    }
}
