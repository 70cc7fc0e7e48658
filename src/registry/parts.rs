//! Bearer tokens and members of the account.

use serde_json::Value;

use super::Registry;
use crate::{
    config::ConfigError,
    crypto::handle::RESERVED_PREFIXES,
    model::name,
    services::{Account, BearerScheme, BearerTokens, RESERVED_FACTS},
};

/// The maximum length of a prefix.
const MAX_PREFIX_LEN: usize = 16;

impl Registry {
    /// Accepts bearer tokens with a prefix, such as `robot_`, and returns their generator. The
    /// prefix is at most 16 of a-z and 0-9, and ends with the only `_`.
    ///
    /// ```
    /// # use authlayer::{Registry, services::{BearerScheme, BearerTokens}};
    /// fn robots(registry: &mut Registry, scheme: impl BearerScheme) -> BearerTokens {
    ///     registry.bearer("robot_", scheme)
    /// }
    /// ```
    pub fn bearer(&mut self, prefix: &'static str, scheme: impl BearerScheme) -> BearerTokens {
        let name = prefix.strip_suffix('_').unwrap_or_default();
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && prefix.len() <= MAX_PREFIX_LEN;
        if !is_name || RESERVED_PREFIXES.contains(&prefix) {
            let problem = format!(
                "{prefix:?} is invalid as a prefix of tokens: it is reserved, or not a-z and 0-9 \
                 with `_` at the end"
            );
            let error = ConfigError::flow(&self.flow, problem);
            self.problem.get_or_insert(error);
            return BearerTokens::new(prefix);
        }
        self.own_bearer(prefix, scheme)
    }

    /// Accepts bearer tokens with a prefix of this crate.
    pub(crate) fn own_bearer(
        &mut self,
        prefix: &'static str,
        scheme: impl BearerScheme,
    ) -> BearerTokens {
        self.claim("prefix", prefix);
        self.bearers.0.push((prefix, Box::new(scheme)));
        BearerTokens::new(prefix)
    }

    /// Adds a member to `GET /account`: what the user has of this flow.
    ///
    /// ```
    /// # use authlayer::Registry;
    /// fn facts(registry: &mut Registry) {
    ///     registry.account_fact("has_name", |account| {
    ///         account.user().display_name.is_some().into()
    ///     });
    /// }
    /// ```
    pub fn account_fact(
        &mut self,
        name: &'static str,
        fact: impl Fn(&Account) -> Value + Send + Sync + 'static,
    ) -> &mut Self {
        if !name::is_name(name) || RESERVED_FACTS.contains(&name) {
            let problem = format!(
                "`{name}` is invalid as a member of the account: it is reserved, or not a-z, 0-9 \
                 and _"
            );
            let error = ConfigError::flow(&self.flow, problem);
            self.problem.get_or_insert(error);
            return self;
        }
        self.claim("account member", name);
        self.facts.0.push((name, Box::new(fact)));
        self
    }
}
