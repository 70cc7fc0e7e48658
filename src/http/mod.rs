//! The HTTP ring: layer, extractors, guards, cookies and responses.
//!
//! | condition | outcome |
//! |---|---|
//! | no credential | `AuthUser` 401, `Option<AuthUser>` is `None` |
//! | cookie that is invalid, malformed or sent twice | 401, `None` |
//! | bearer token that is invalid, malformed or sent twice | 401, 401; cookies are not read |
//! | cookie on an unsafe request or WebSocket upgrade from another site | 403 `cross_origin`, both |
//! | API key, unless a guard before it accepted the key | 403 `forbidden`, both |
//! | store error | 503, both |
//! | no layer installed | 500 and an error in the log with the path, both |
//!
//! A proxy breaks this if it merges several `Authorization` or `Cookie` headers into one, or
//! removes `Origin` and `Sec-Fetch-Site`.

pub(crate) mod admit;
mod admitted;
mod caller;
pub(crate) mod client;
mod context;
pub(crate) mod cookie;
mod credential;
pub(crate) mod csrf;
mod described;
mod dpop;
pub(crate) mod error_page;
mod extract;
pub(crate) mod forward;
mod gateway;
mod guard;
mod guarded;
pub(crate) mod in_process;
pub(crate) mod json;
mod known;
mod layer;
mod live;
mod lookup;
pub(crate) mod oauth_error;
#[cfg(feature = "cedar")]
pub(crate) mod policy;
pub(crate) mod prefetch;
mod presented;
mod problem;
mod profile;
mod public;
pub(crate) mod query;
mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
mod respond;
pub(crate) mod router;
#[cfg(feature = "oauth")]
pub(crate) mod security_event;
mod service;
mod signed;
mod span;
#[cfg(feature = "oauth")]
pub(crate) mod strict;
mod undecided;

pub use crate::session::AuthUser;
#[cfg(feature = "pages")]
pub(crate) use admitted::admit as admit_by_rule;
pub(crate) use admitted::{Reader, RouteRules, Writer};
pub(crate) use context::Context;
pub use extract::{AccessRejection, AccessRule, Authorized};
pub use gateway::{
    ForwardedSubject, TrustGatewayLayer, TrustGatewayMiddleware, set_forwarded_subject,
};
pub use guard::RequireUser;
pub use guarded::{RequireUserFuture, RequireUserMiddleware};
pub use layer::AuthLayer;
pub use live::ConnectedUser;
#[cfg(feature = "cedar")]
pub use policy::{RequirePolicy, RequirePolicyMiddleware};
pub use profile::UserProfile;
pub use public::{Public, PublicMiddleware};
pub use request::JsonBody;
pub(crate) use request::{FromElsewhere, wrapped};
pub use service::{AuthMiddleware, ResponseFuture};
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(crate) use signed::FreshOrRecovering;
pub(crate) use signed::{Fresh, Registered, Signed, SignedIn, SignedOrImpersonated};
pub use undecided::Undecided;
