#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "password",
        feature = "oauth",
        feature = "passkeys",
        feature = "device-bound",
        feature = "totp",
        feature = "tokens",
        feature = "pages",
        feature = "openapi"
    )),
    allow(dead_code, reason = "parts of the rings that only a flow uses")
)]

#[cfg(any(doc, doctest))]
pub mod guide;

mod audit;
pub mod auth;
pub mod clock;
mod config;
mod contract;
pub mod crypto;
mod erasure;
pub mod error;
pub mod event;
mod flight;
pub mod flow;
mod forwarded;
pub mod hook;
mod http;
mod limit;
pub mod mail;
mod measure;
pub mod model;
mod network;
mod origin;
pub mod outbound;
#[cfg(feature = "cedar")]
pub mod policy;
#[cfg_attr(
    not(feature = "oauth"),
    allow(unreachable_pub, unnameable_types, reason = "exported with the flows of providers")
)]
mod provider;
mod redirect;
pub mod registry;
pub mod services;
pub mod session;
mod skew;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod users;

/// Second factors of the application: what a [`SecondFactor`] receives and returns.
pub mod factor {
    #[doc(no_inline)]
    pub use crate::services::{Account, CodeFactor, FactorAttempt, FactorCheck, FactorUse, Prompt};
}

/// Import of users from other systems, see [`Users::import_from`](crate::users::Users::import_from).
#[cfg(feature = "import")]
pub mod import {
    pub use crate::users::{ImportSource, UnknownImportSource};
    #[doc(no_inline)]
    pub use crate::users::{ImportSummary, TransferError};
}

pub use jiff;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sqlx;
#[cfg(feature = "openapi")]
pub use utoipa;

pub use audit::AuditLog;
pub use auth::{Auth, AuthBuilder, Health, MissingFlow, QueueHealth};
pub use config::ConfigError;
#[cfg(feature = "sealing")]
pub use crypto::seal::{InvalidSealingKey, Sealer, SealingKey};
pub use error::{AuthError, ErrorKind};
pub use event::{ChannelSink, Event, EventKind, EventSink};
#[cfg(feature = "openapi")]
pub use flow::openapi::OpenApi;
#[cfg(feature = "pages")]
pub use flow::pages::{ColorScheme, Pages, Theme};
#[cfg(feature = "passkeys")]
pub use flow::passkeys::Passkeys;
#[cfg(feature = "password")]
pub use flow::password::{Password, PasswordContext};
#[cfg(feature = "tokens")]
pub use flow::service_tokens::ServiceTokens;
pub use flow::{
    account_recovery::AccountRecovery, admin::Admin, anonymous::AnonymousUsers, api_keys::ApiKeys,
    codes::EmailCodes, device_grant::DeviceGrant, email_sign_in::EmailSignIn,
    forward_auth::ForwardAuth, introspection::Introspection, protected_resource::ProtectedResource,
    reset::PasswordReset,
};
#[cfg(feature = "device-bound")]
pub use flow::{device_bound::DeviceBound, dpop::Dpop};
#[cfg(feature = "oauth")]
pub use flow::{github::GitHub, oauth::OAuth, oauth2::OAuth2, oidc::Oidc};
#[cfg(feature = "totp")]
pub use flow::{recovery_codes::RecoveryCodes, totp::Totp};
pub use hook::{AuthHook, HookError};
pub use http::{
    AccessRejection, AccessRule, AuthLayer, AuthMiddleware, AuthUser, Authorized, ConnectedUser,
    ForwardedSubject, JsonBody, Public, PublicMiddleware, RequireUser, RequireUserFuture,
    RequireUserMiddleware, ResponseFuture, TrustGatewayLayer, TrustGatewayMiddleware, Undecided,
    UserProfile, set_forwarded_subject,
};
#[cfg(feature = "cedar")]
pub use http::{RequirePolicy, RequirePolicyMiddleware};
pub use limit::RateLimits;
#[cfg(feature = "smtp")]
pub use mail::SmtpMailer;
pub use mail::{DeliveryError, Mailer, Message, MessageKind, StderrMailer};
pub use model::{
    ApiKey, BindingKind, Denial, Email, Factor, IdpSession, Impersonator, KeyOwner, Rule, Session,
    SessionId, Strength, Subject, SubjectKind, Transport, User, UserId, UserStatus, Username,
};
pub use network::InvalidNetwork;
pub use origin::{InvalidOrigin, Origins};
#[cfg(feature = "cedar")]
pub use policy::{Policies, PolicyDecision, PolicyError, PolicyRequest};
#[cfg(feature = "oauth")]
pub use provider::{Provider, TokenSink};
pub use redirect::{IntoRedirectTarget, RedirectTarget};
pub use registry::{Flow, Registry};
pub use services::{
    Client, EmailUndone, FreshUser, Outcome, Pending, PendingChallenge, SecondFactor,
    SecondFactors, SignInOptions, SignInOutcome, SignedIn, SignedOut, Tokens,
};
pub use session::{
    CacheOptions, CookieOptions, SameSite, SessionOptions, SessionWatch, TokenTransports,
};
#[cfg(feature = "sqlite")]
pub use store::sql::SqliteStore;
#[cfg(feature = "postgres")]
pub use store::sql::{PgStore, PgStoreOptions};
pub use store::{UserTable, UserTableError};
pub use users::{
    Claims, ClaimsSource, NewUser, UserDirectory, UserPatch, UserStorage, UserStore, Users,
};
