//! Challenges and the operations that follow their verification: codes, links, pending sign-ins.
//!
//! A challenge is looked up by the hash of its handle. An attempt is counted before the response is
//! compared, and the challenge is consumed before anything else is done, so of any number of
//! concurrent requests one succeeds. Between the first factor and the last there is a challenge and
//! never a session.

mod account;
mod account_changes;
mod account_recovery;
mod added;
mod adding;
mod admin_view;
mod administration;
mod answer;
mod api_key;
mod bearer;
mod challenges;
mod changes;
mod claim;
mod client;
mod code;
mod code_challenges;
mod code_factor;
mod code_handlers;
mod code_links;
mod consumed;
mod created;
mod credential_changes;
mod credential_drafts;
mod credential_options;
mod credentials;
mod delivery;
mod device;
mod door;
mod dpop;
mod email;
mod face;
mod factor;
mod facts;
mod fresh;
mod greeting;
pub(crate) mod identity;
mod invitation;
mod key_cache;
mod limiter;
mod logged;
mod mail;
mod methods;
mod new_account;
mod new_event;
mod notice;
mod observer;
pub(crate) mod offers;
#[cfg(feature = "openapi")]
mod openapi;
mod outcome;
mod pages;
mod pending;
mod pending_sign_up;
mod ports;
mod programs;
mod prompt;
mod recovery;
mod recovery_code;
mod recovery_waiver;
mod remembered;
mod resource;
mod second_factors;
mod second_step;
mod session_credentials;
mod session_tags;
mod sign_in;
mod sign_out;
mod sign_up;
mod stored_mails;
mod ticket;
mod token_challenges;
mod token_options;
mod token_references;
mod two_step;
mod undo_link;
mod unverifiable;
mod usernames;
mod verify;

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

pub(crate) use crate::users::{Ending, TransitionRules};
pub use crate::{model::Transition, store::SessionTag};
#[cfg(feature = "password")]
pub(crate) use account::password_credential;
pub(crate) use account::{PasswordChange, ReliesOn, StepUp, new_user_id};
pub use account_changes::{AccountChange, Accounts};
pub(crate) use bearer::Bearers;
pub use bearer::{BearerIdentity, BearerScheme, BearerTokens};
pub(crate) use changes::{AddedCredential, Addition, Removal};
pub(crate) use claim::Claim;
pub(crate) use client::{Bound, RequestContext};
pub use client::{ChallengeHandle, Client, SignInOptions};
pub(crate) use code::{Asked, Letterhead};
pub use code_challenges::CodeChallenges;
pub use code_factor::CodeFactor;
pub use code_handlers::CodeHandler;
pub(crate) use code_handlers::{AnyCodes, CodeHandlers, Handled};
pub use code_links::DeliveredLink;
pub use consumed::{Consumed, FreshUser, Owner};
pub use credential_options::CredentialOptions;
pub(crate) use credentials::CredentialKinds;
pub use credentials::{Credential, CredentialUse, Credentials};
pub(crate) use delivery::Delivery;
pub use delivery::{CodeDelivery, CodeMessage, CodeOptions, EmailDelivery};
pub use door::{SignIn, VerifiedFactor};
#[cfg(feature = "passkeys")]
pub(crate) use dpop::require_same_key;
#[cfg(feature = "device-bound")]
pub(crate) use dpop::{DPOP_WINDOW, SeenProofs};
pub(crate) use dpop::{DpopProof, DpopProofs, DpopRequest};
pub use email::EmailUndone;
pub use face::Services;
pub(crate) use factor::Factors;
pub use factor::{
    Account, FactorAttempt, FactorCheck, FactorFailure, FactorInput, FactorUse, Prompt,
    SecondFactor,
};
pub(crate) use facts::{Facts, RESERVED_FACTS};
pub(crate) use invitation::is_expired_invitation;
pub(crate) use key_cache::KeyCache;
pub use limiter::{Attempt, Limiter, RateLimit};
pub(crate) use logged::LoggedOnce;
pub use mail::{Mail, Notice};
#[cfg(feature = "passkeys")]
pub(crate) use methods::methods_of;
pub use new_account::NewAccount;
pub use new_event::NewEvent;
pub(crate) use notice::{ChangeNotices, NoticeSink};
pub use observer::AccountObserver;
pub(crate) use observer::Observing;
#[cfg(feature = "openapi")]
pub(crate) use openapi::OpenApiDocument;
pub(crate) use outcome::Begun;
pub use outcome::{Outcome, Pending, PendingChallenge, SignInOutcome, SignedIn, Tokens};
#[cfg(feature = "totp")]
pub(crate) use pages::EnrollmentSource;
#[cfg(any(feature = "pages", feature = "totp"))]
pub(crate) use pages::Enrollments;
pub(crate) use pages::{AdminRules, LanguagePreference};
#[cfg(feature = "pages")]
pub(crate) use pages::{ErrorPage, LinkView, PendingView, ProviderView, RenderedPage};
pub(crate) use pages::{PageLinks, RoutePaths};
pub use pending::PendingChallenges;
#[cfg(feature = "password")]
pub(crate) use pending_sign_up::SignUpData;
#[cfg(feature = "password")]
pub(crate) use ports::PasswordRequirements;
pub(crate) use ports::{
    AnonymousSignUp, BoundSessions, CodePolicy, Messages, NewPasswords, PasswordOf, RecoveryPolicy,
    ResetPolicy,
};
pub(crate) use programs::Programs;
pub(crate) use recovery::Authority;
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(crate) use recovery::Replacement;
pub(crate) use recovery_code::RecoveryRequests;
pub(crate) use resource::ResourceMetadata;
pub use second_factors::SecondFactors;
pub(crate) use sign_in::{SignInAttempt, Verified};
pub use sign_out::SignedOut;
pub(crate) use sign_up::{AccountDraft, AnonymousSession};
pub(crate) use ticket::TICKET_LIFE;
pub use token_challenges::TokenChallenges;
pub use token_options::{IssuedToken, TokenOptions};

use serde_json::{Map, Value};

use self::offers::Offers;
use crate::{
    audit::AuditLog,
    clock::Clock,
    crypto::seal::SealingKeys,
    error::AuthError,
    event::{Event, EventKind, EventSink},
    hook::{AnyHook, HookError, RequestMembers, SignUpDraft},
    limit::Limits,
    mail::{outbox::Outbox, queue::Queue},
    measure,
    model::{ClientInfo, Factor, User, UsernameRules},
    network::Proxies,
    origin::Origins,
    provider::Providers,
    redirect::Redirects,
    session::{CookieNames, Sessions},
    skew::ClockCheck,
    store::{AccountFlagStore, AccountStore, ChallengeStore, CredentialStore, KeyStore, Store},
    users::{Transitions, Users},
};

/// The state that flows and the HTTP ring share.
pub(crate) struct Core {
    pub(crate) sessions: Sessions,
    pub(crate) users: Arc<dyn AccountStore>,
    /// The same as [`users`](Self::users), to register the rules of flows.
    pub(crate) transitions: Arc<Transitions>,
    pub(crate) directory: Users,
    pub(crate) credentials: Arc<dyn CredentialStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clocks: ClockCheck,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) challenges: Arc<dyn ChallengeStore>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) standings: Arc<dyn AccountFlagStore>,
    /// Sweeps the records of changes and of deleted users.
    pub(crate) changes: Arc<dyn Store>,
    pub(crate) limits: Limits,
    pub(crate) outbox: Option<Outbox>,
    /// Delivers messages, and codes of flows outside this crate.
    pub(crate) queue: Queue,
    pub(crate) notices: bool,
    /// Which users the application requires a second factor of.
    pub(crate) second_factors: SecondFactors,
    /// The keys that seal secrets at rest.
    #[cfg_attr(not(feature = "sealing"), expect(dead_code, reason = "there are no keys"))]
    pub(crate) sealing_keys: Option<SealingKeys>,
    pub(crate) usernames: UsernameRules,
    /// The parts that the flows registered, once all flows are registered.
    pub(crate) offers: OnceLock<Offers>,
    /// The cache of API keys, if sessions are cached.
    pub(crate) key_cache: Option<KeyCache>,
    pub(crate) audit: Option<AuditLog>,
    /// Whether a request that a guard rejects is an event.
    pub(crate) records_access_denied: bool,
    pub(crate) hooks: Vec<Arc<dyn AnyHook>>,
    pub(crate) me: Weak<Core>,
    pub(crate) origins: Origins,
    pub(crate) cookies: CookieNames,
    pub(crate) proxies: Proxies,
    pub(crate) redirects: Redirects,
    pub(crate) providers: Providers,
    pub(crate) mount: String,
    pub(crate) logged: LoggedOnce,
}

impl Core {
    /// Completes the configuration.
    pub(crate) fn complete(&self, offers: Offers) {
        measure::describe();
        // Completed once, by `build`.
        let _completed = self.offers.set(offers);
    }

    /// Returns whether `build` has returned.
    pub(crate) fn is_complete(&self) -> bool {
        self.offers.get().is_some()
    }

    /// Returns a part that a flow registered.
    pub(crate) fn offered<T: 'static>(&self) -> Option<&T> {
        self.offers.get()?.get()
    }

    /// Returns the policy of email codes, if the flow is registered.
    pub(crate) fn codes(&self) -> Option<&CodePolicy> {
        self.offered()
    }

    /// Returns a strong reference for work that continues after the response.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Runs the hooks before a sign-up, and normalizes the username. Returns the user to create and
    /// the values that the hooks stored.
    pub(crate) async fn may_sign_up(
        &self,
        user: User,
        client: &ClientInfo,
        members: Option<&RequestMembers>,
    ) -> Result<(User, Map<String, Value>), AuthError> {
        SignUpDraft::new(user, Some(client), members).run(&self.hooks, &self.usernames).await
    }

    /// Runs the hooks before a sign-in.
    pub(crate) async fn may_sign_in(
        &self,
        user: &User,
        factor: Factor,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        for hook in &self.hooks {
            hook.on_sign_in(user, factor, client).await.map_err(HookError::into_auth_error)?;
        }
        Ok(())
    }

    pub(crate) fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.clock.now())
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("sessions", &self.sessions)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
