//! Import of users from other systems.
//!
//! Each source has one file, which maps a record to a [`Draft`](draft::Draft) and does no I/O.

mod asp_net;
mod auth0;
mod axum_login;
mod better_auth;
mod devise;
mod django;
mod draft;
mod firebase;
mod keycloak;
mod laravel;
mod provider;
mod records;
mod row;
mod run;
mod source;
mod supabase;
mod times;
mod word_press;

pub use source::{ImportSource, UnknownImportSource};
