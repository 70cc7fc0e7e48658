//! Data types and decisions, without I/O.
//!
//! Nothing in this module depends on storage, HTTP or the current time. Types with a validated
//! syntax have only valid values.

pub(crate) mod accept;
mod amr;
mod available;
mod binding;
mod denial;
mod email;
mod factor;
mod key;
pub(crate) mod name;
mod patch;
mod refresh;
mod rule;
mod session;
mod strength;
mod subject;
mod subjects;
mod transition;
mod user;
mod username;

pub use available::AvailableFactors;
pub(crate) use binding::Thumbprint;
pub use binding::{BindingKind, SessionBinding};
pub use denial::{Denial, StepUp};
pub use email::{Email, InvalidEmail};
pub(crate) use factor::CredentialTag;
pub use factor::{Basis, Factor, FactorProof};
pub use key::{ApiKey, ApiKeyId, InvalidApiKeyId, KeyOwner};
pub use patch::Patch;
pub use refresh::{RefreshDecision, RefreshPolicy, RefreshState, TokenAge};
pub use rule::Rule;
pub(crate) use session::TokenDelivery;
pub use session::{
    ClientInfo, IdpSession, Impersonator, InvalidSessionId, Session, SessionId, Transport,
};
pub use strength::Strength;
pub use subject::{Subject, SubjectKind};
pub(crate) use subjects::Owner;
pub use transition::Transition;
pub use user::{User, UserId, UserStatus};
pub(crate) use username::UsernameRules;
pub use username::{InvalidUsername, Username};
