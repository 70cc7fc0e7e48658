//! The ring that speaks HTTP: layer, extractor, guard, cookies, replies.
//!
//! | condition | outcome |
//! |---|---|
//! | no credential | `AuthUser` 401, `Option<AuthUser>` is `None` |
//! | cookie that is stale, malformed or sent twice | 401, `None` |
//! | bearer token that is stale, malformed or sent twice | 401, 401; never a look at the cookies |
//! | cookie on an unsafe request or WebSocket upgrade from another site | 403 `cross_origin`, both |
//! | API key, unless a guard before it accepted the key | 403 `forbidden`, both |
//! | store that fails | 503, both |
//! | no layer installed | 500 and a line in the log that names it, both |
//!
//! A deployment can break this by a proxy that merges several `Authorization` or `Cookie`
//! headers into one, or that strips `Origin` and `Sec-Fetch-Site`.

pub(crate) mod admit;
pub(crate) mod client;
mod context;
pub(crate) mod cookie;
mod credential;
mod csrf;
mod extract;
mod gateway;
mod guard;
mod guarded;
pub(crate) mod json;
mod layer;
mod live;
#[cfg(feature = "cedar")]
pub(crate) mod policy;
mod presented;
mod problem;
mod profile;
mod public;
pub(crate) mod query;
mod refusal;
pub(crate) mod reply;
mod request;
mod respond;
pub(crate) mod router;
mod service;
mod signed;
#[cfg(feature = "oauth")]
pub(crate) mod strict;
mod undecided;

pub use crate::session::AuthUser;
pub(crate) use context::Context;
pub use extract::{Require, Requirement};
pub use gateway::{Forwarded, TrustGateway, TrustGatewayService, forward_subject};
pub use guard::RequireUser;
pub use guarded::{GuardFuture, RequireUserService};
pub use layer::AuthLayer;
pub use live::LiveUser;
#[cfg(feature = "cedar")]
pub use policy::{RequirePolicy, RequirePolicyService};
pub use profile::Profile;
pub use public::{Public, PublicService};
pub use request::JsonBody;
pub(crate) use request::{FromElsewhere, wrapped};
pub use service::{AuthService, ResponseFuture};
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(crate) use signed::FreshOrRecovering;
pub(crate) use signed::{Fresh, Signed, SignedIn};
pub use undecided::Undecided;
