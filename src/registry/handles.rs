//! The typed handles that a flow receives from the registry.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::Registry;
use crate::{
    config::ConfigError,
    mail::{MessageKind, MessageText},
    model::{Factor, name},
    services::{
        AccountObserver, AnyCodes, CodeChallenges, CodeDelivery, CodeHandler, CodeOptions,
        CredentialOptions, Credentials, Delivery, Ending, Handled, Limiter, Observing, RateLimit,
        SecondFactor, TokenChallenges, TokenOptions,
    },
    store::{ChallengeKind, CredentialKind},
};

impl Registry {
    /// Registers challenges that are verified with a code. The name is that of the kind in storage.
    pub fn codes<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        factor: Factor,
        options: CodeOptions,
        delivery: impl CodeDelivery,
    ) -> CodeChallenges<T> {
        self.kind("challenge", name);
        factor.register();
        if let Some(problem) = options.problem() {
            let error = ConfigError::flow(&self.flow, problem);
            self.problem.get_or_insert(error);
        }
        let (survives, ends_on) = (options.survives, options.ends_on);
        self.transitions.challenges.push(Ending { kind: name, survives, ends_on });
        let delivery = Delivery::new(name, factor, options, delivery);
        CodeChallenges::new(self.services(), delivery)
    }

    /// Registers challenges whose code is sent by email, in a message of this crate.
    pub(crate) fn codes_by_mail<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        factor: Factor,
        options: CodeOptions,
        kind: MessageKind,
    ) -> CodeChallenges<T> {
        self.kind("challenge", name);
        let delivery = Delivery::by_mail(name, factor, options, kind);
        CodeChallenges::new(self.services(), delivery)
    }

    /// Registers the handler of verified codes of a kind, so that `POST /verify` and the forms of
    /// the application accept them.
    pub fn on_verified<T>(
        &mut self,
        codes: &CodeChallenges<T>,
        handler: impl CodeHandler<T>,
    ) -> &mut Self
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.claim("handler", codes.name());
        self.codes.0.push(Arc::new(Handled { codes: codes.clone(), handler }));
        self
    }

    /// Registers challenges of this crate that `POST /verify` accepts.
    pub(crate) fn own_codes(&mut self, codes: impl AnyCodes + 'static) -> &mut Self {
        self.codes.0.push(Arc::new(codes));
        self
    }

    /// Registers challenges whose handle is the secret, with their lifetime or with all options.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::{Registry, services::TokenChallenges};
    ///
    /// fn invitations(registry: &mut Registry) -> TokenChallenges<String> {
    ///     registry.tokens("invitations", Duration::from_secs(24 * 3600))
    /// }
    /// ```
    pub fn tokens<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        options: impl Into<TokenOptions>,
    ) -> TokenChallenges<T> {
        let options = options.into();
        self.kind("challenge", name);
        if options.lifetime.is_zero() {
            let error =
                ConfigError::flow(&self.flow, format!("the lifetime of `{name}` must not be zero"));
            self.problem.get_or_insert(error);
        }
        let (survives, ends_on) = (options.survives, options.ends_on);
        self.transitions.challenges.push(Ending { kind: name, survives, ends_on });
        TokenChallenges::new(self.services(), name, options)
    }

    /// Ends the challenges of a kind of this crate with every transition of their user that ends
    /// challenges, such as a ban.
    pub(crate) fn ends_with_sessions(&mut self, kind: ChallengeKind) -> &mut Self {
        self.transitions.own_challenges.push(kind.as_str());
        self
    }

    /// Registers a kind of credential. The name is that of the kind in storage.
    pub fn credentials<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        options: CredentialOptions,
    ) -> Credentials<T> {
        self.kind("credential", name);
        if options.recoverable && options.factor.is_none() {
            let problem = format!("`{name}` is recoverable, so it needs a `factor`");
            self.problem.get_or_insert(ConfigError::flow(&self.flow, problem));
        }
        self.credentials.0.insert(name, options.clone());
        let ends_on = options.ends_on;
        self.transitions.credentials.push(Ending { kind: name, survives: &[], ends_on });
        self.transitions.changing.extend(options.changes.map(|own| (name, own)));
        if let Some(member) = options.counted_as {
            let kind = CredentialKind::Custom(name);
            self.account_fact(member, move |account| account.of_kind(kind).count().into());
        }
        Credentials::new(self.services(), name, options)
    }

    /// Registers an observer of changes of accounts, which is called after their commit.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, Registry,
    ///     factor::Account,
    ///     services::{AccountObserver, Transition},
    /// };
    ///
    /// struct Log;
    ///
    /// impl AccountObserver for Log {
    ///     async fn changed(&self, transition: Transition, own: &Account) -> Result<(), AuthError> {
    ///         println!("{transition:?}: {}", own.user().id);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn observe(registry: &mut Registry) {
    ///     registry.on_transition(Log);
    /// }
    /// ```
    pub fn on_transition(&mut self, observer: impl AccountObserver) -> &mut Self {
        self.transitions.observers.push(Arc::new(Observing(observer)));
        self
    }

    /// Registers a rate limit.
    pub fn rate_limit(&mut self, name: &'static str, limit: RateLimit) -> Limiter {
        self.claim("rate limit", name);
        Limiter::new(self.services(), name, limit)
    }

    /// Registers a kind of message with its English text. Templates of the application may replace
    /// it.
    pub fn message(
        &mut self,
        kind: MessageKind,
        subject: &'static str,
        text: &'static str,
    ) -> &mut Self {
        self.claim("message", kind.as_str());
        let words = MessageText { subject, before: text, after: "" };
        self.messages.0.insert(kind, words);
        self
    }

    /// Registers a second factor.
    pub fn second_factor(&mut self, factor: impl SecondFactor) -> &mut Self {
        let own = SecondFactor::factor(&factor);
        own.register();
        self.claim("factor", own.as_str());
        self.factors.0.push(Arc::new(factor));
        self
    }

    /// Registers the name of a kind, which must differ from those of this crate.
    fn kind(&mut self, space: &str, name: &'static str) {
        let is_ours = match space {
            "challenge" => ChallengeKind::from_name(name)
                .is_some_and(|kind| kind != ChallengeKind::Custom(name)),
            _ => CredentialKind::from_name(name)
                .is_some_and(|kind| kind != CredentialKind::Custom(name)),
        };
        if is_ours || !name::is_name(name) {
            let problem = format!(
                "`{name}` is invalid as a kind of {space}: it is reserved, or not a-z, 0-9 and _"
            );
            let error = ConfigError::flow(&self.flow, problem);
            self.problem.get_or_insert(error);
            return;
        }
        name::register(name);
        self.claim(space, name);
    }
}
