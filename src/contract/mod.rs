//! The description of routes, which the OpenAPI document is made of.
//!
//! An [`Operation`] is a constant beside its handler, and the route is made of both:
//! `("/sign-in", SIGN_IN.to(sign_in))`. The extractors of the handler determine what all routes of
//! its kind have in common: the credential, the body, and the problems that follow from these. The
//! operation names the rest. Without the feature `openapi` nothing of it is stored.

#[cfg_attr(not(feature = "openapi"), path = "not_described.rs")]
mod described;
#[cfg(feature = "openapi")]
mod document;
mod extracted;
pub(crate) mod member;
mod operation;
mod route;
mod schema;
pub(crate) mod shapes;
mod success;

pub(crate) use described::Described;
#[cfg(feature = "openapi")]
pub(crate) use document::{Credentials, document};
pub(crate) use extracted::{Access, BodyKind, Extract, Extracted, Handled, RequestBody};
pub(crate) use operation::Operation;
#[cfg(feature = "oauth")]
pub(crate) use operation::{ErrorBody, ErrorForm};
pub(crate) use route::Route;
pub(crate) use schema::{Member, Schema};
pub(crate) use success::Success;
