//! Sign-up and sign-in with an email address, or a username, and a password.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`policy`](Password::policy) | 8 to 128 characters, not common, without the email address | NIST SP 800-63B-4 §3.1.1.2; it requires 15 if a password is the only factor: [`with_min_length_without_second_factor`](PasswordPolicy::with_min_length_without_second_factor) |
//! | [`rule`](Password::rule) | none | requirements of the application, with their own reasons |
//! | [`scheme`](Password::scheme) | Argon2id, 19 MiB, 2 passes, 1 lane | OWASP Password Storage |
//! | [`allow_sign_up`](Password::allow_sign_up) | on | if off, only the application creates users |
//! | [`breach_check`](Password::breach_check) | none | NIST SP 800-63B-4 §3.1.1.2 requires that new passwords are compared with those of breaches; it needs a source |
//! | [`hash_threads`](Password::hash_threads) | one per core | concurrent hashes, 19 MiB each |
//! | [`hash_queue_capacity`](Password::hash_queue_capacity) | 256 | maximum waiting hashes; beyond it requests get 503 at once |
//!
//! An unknown email address or username, a wrong password, a disabled user and an account without a password
//! get the same response and compute one hash each. With rate limits disabled, passwords can be
//! guessed as fast as they can be hashed.

mod breach;
mod compare;
mod face;
mod login;
mod new;
#[cfg(feature = "breached")]
mod pwned;
mod routes;
mod rule;
mod service;
mod step_up;

use std::sync::Arc;

pub use self::breach::{BreachError, BreachSource, OnCheckFailure};
#[cfg(feature = "breached")]
pub use self::pwned::PwnedPasswords;
pub use self::rule::PasswordContext;
use self::rule::Rules;
pub use self::service::{PasswordService, SignUp};
use self::{breach::Breached, new::Hasher};

use super::Flow;
use crate::{
    config::ConfigError,
    crypto::password::{HashPool, LegacySecrets, PasswordHasher, PasswordHashing, PasswordPolicy},
    registry::Registry,
    services::NewPasswords,
};

/// The options of the password flow.
///
/// ```
/// use authlayer::{Password, crypto::password::PasswordPolicy};
///
/// let flow = Password::new()
///     .policy(PasswordPolicy::new().with_min_length(12))
///     .allow_sign_up(false);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Password {
    policy: PasswordPolicy,
    scheme: PasswordHashing,
    sign_up: bool,
    workers: usize,
    queue: usize,
    below_floor: bool,
    breached: Vec<Breached>,
    rules: Rules,
    legacy: LegacySecrets,
}

impl Default for Password {
    fn default() -> Self {
        Self {
            policy: PasswordPolicy::default(),
            scheme: PasswordHashing::argon2id(),
            sign_up: true,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            queue: 256,
            below_floor: false,
            breached: Vec::new(),
            rules: Rules::default(),
            legacy: LegacySecrets::default(),
        }
    }
}

impl Password {
    /// Creates the flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the requirements for new passwords.
    pub fn policy(mut self, policy: PasswordPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the hashing scheme. Stored hashes with weaker parameters are replaced at the next
    /// sign-in of their user.
    pub fn scheme(mut self, scheme: PasswordHashing) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets a hashing scheme that may be below the minimum cost.
    ///
    /// # Security
    ///
    /// Only for tests: hashes of low cost can be guessed quickly.
    #[cfg(feature = "testing")]
    pub fn insecure_scheme(mut self, scheme: PasswordHashing) -> Self {
        self.below_floor = true;
        self.scheme(scheme)
    }

    /// Sets the pepper of Devise (`config.pepper`), with which imported hashes are verified that
    /// begin with `devise$`. New hashes have no pepper.
    ///
    /// ```
    /// use authlayer::Password;
    ///
    /// let flow = Password::new().devise_pepper("the value of config.pepper");
    /// ```
    ///
    /// # Security
    ///
    /// The pepper is a secret: read it from where the application has its other secrets. Without it,
    /// users with such a hash cannot sign in with their password, and can reset it.
    #[cfg(feature = "legacy-hashes")]
    pub fn devise_pepper(mut self, pepper: impl Into<String>) -> Self {
        self.legacy.set_devise_pepper(pepper.into());
        self
    }

    /// Sets the signer key of a Firebase project in base64 (`base64_signer_key` of its password hash
    /// parameters), with which imported hashes are verified that begin with `firebase-scrypt$`.
    ///
    /// ```
    /// use authlayer::Password;
    ///
    /// let flow = Password::new().firebase_signer_key("c2lnbmVyIGtleQ==");
    /// ```
    ///
    /// # Security
    ///
    /// The signer key is a secret: read it from where the application has its other secrets. Without
    /// it, users with such a hash cannot sign in with their password, and can reset it.
    #[cfg(feature = "legacy-hashes")]
    pub fn firebase_signer_key(mut self, base64: &str) -> Self {
        self.legacy.set_firebase_signer_key(base64);
        self
    }

    /// Adds a rule for new passwords, which returns the reason of a rejection. The reason is a
    /// member of `reasons` in the response, beside those of the [`policy`](Self::policy): use a
    /// word such as `contains_name`. A rule is not called for a password that is too long.
    ///
    /// ```
    /// use authlayer::Password;
    /// let flow = Password::new().rule(|password, about| {
    ///     let name = about.display_name.unwrap_or_default();
    ///     if !name.is_empty() && password.contains(name) { Err("contains_name") } else { Ok(()) }
    /// });
    /// ```
    ///
    /// # Security
    ///
    /// The rule sees the password: it must neither store nor log it. NIST SP 800-63B-4 §3.1.1.2
    /// advises against rules about the composition of passwords.
    pub fn rule(
        mut self,
        rule: impl Fn(&str, &PasswordContext<'_>) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Self {
        self.rules.add(rule);
        self
    }

    /// Rejects new passwords that a source knows from breaches. `outage` specifies the handling
    /// while the source is not available. `PwnedPasswords` (feature `breached`) is such a source. Call
    /// it once for each source, such as a list of your own.
    ///
    /// NIST SP 800-63B-4 §3.1.1.2 requires that new passwords are compared with a list of passwords
    /// that are commonly used, expected or compromised. The [`policy`](Self::policy) rejects common
    /// ones and those made of the user's identifiers; this is the part about compromised ones.
    pub fn breach_check(mut self, source: impl BreachSource, outage: OnCheckFailure) -> Self {
        self.breached.push(Breached { source: Arc::new(source), outage });
        self
    }

    /// Sets whether new users can sign up.
    pub fn allow_sign_up(mut self, allowed: bool) -> Self {
        self.sign_up = allowed;
        self
    }

    /// Sets the maximum number of concurrent hashes.
    pub fn hash_threads(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the maximum number of hashes that wait for a worker.
    pub fn hash_queue_capacity(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }
}

impl Flow for Password {
    type Service = PasswordService;

    fn name(&self) -> &str {
        "password"
    }

    fn register(self, registry: &mut Registry) -> Result<PasswordService, ConfigError> {
        let core = registry.core();
        let refused = |problem: String| ConfigError::Flow { flow: "password".to_owned(), problem };
        self.policy.validate().map_err(|error| refused(error.to_string()))?;
        if let Some(problem) = self.legacy.problem() {
            return Err(refused(problem.to_owned()));
        }
        let hasher = PasswordHasher::build(self.scheme, self.below_floor, self.legacy)
            .map_err(|error| refused(error.to_string()))?;
        if self.workers == 0 {
            return Err(refused("workers must be at least 1".to_owned()));
        }
        core.directory.set_known_hashes(Arc::new(new::Known(hasher.clone())));
        let pool = HashPool::new(hasher, self.workers, self.queue);
        let new = Hasher {
            core: Arc::downgrade(&core),
            pool: pool.clone(),
            policy: self.policy,
            rules: self.rules,
            breached: self.breached,
            sign_up: self.sign_up,
        };
        let new: Arc<dyn NewPasswords> = Arc::new(new);
        registry.offer(new);
        let service = PasswordService::new(core, pool, self.sign_up);
        routes::register(registry, &service);
        Ok(service)
    }
}
