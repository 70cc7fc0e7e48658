//! Guides.

#[doc = include_str!("../guide/account.md")]
pub mod account {}

#[doc = include_str!("../guide/administration.md")]
pub mod administration {}

#[doc = include_str!("../guide/authorization.md")]
pub mod authorization {}

#[doc = include_str!("../guide/deploy.md")]
pub mod deploy {}

#[doc = include_str!("../guide/device-bound.md")]
pub mod device_bound {}

#[doc = include_str!("../guide/email-sign-in.md")]
pub mod email_sign_in {}

#[doc = include_str!("../guide/events.md")]
pub mod events {}

#[doc = include_str!("../guide/flows.md")]
pub mod flows {}

#[doc = include_str!("../guide/github.md")]
pub mod github {}

#[doc = include_str!("../guide/mails.md")]
pub mod mails {}

#[doc = include_str!("../guide/migrate.md")]
pub mod migrate {}

#[doc = include_str!("../guide/openapi.md")]
pub mod openapi {}

#[doc = include_str!("../guide/openid-connect.md")]
pub mod openid_connect {}

#[doc = include_str!("../guide/operations.md")]
pub mod operations {}

#[doc = include_str!("../guide/pages.md")]
pub mod pages {}

#[doc = include_str!("../guide/passkeys.md")]
pub mod passkeys {}

#[doc = include_str!("../guide/programs.md")]
pub mod programs {}

#[doc = include_str!("../guide/providers.md")]
pub mod providers {}

#[doc = include_str!("../guide/second-factors.md")]
pub mod second_factors {}

#[doc = include_str!("../guide/services.md")]
pub mod services {}

#[doc = include_str!("../guide/spa.md")]
pub mod spa {}

#[doc = include_str!("../guide/speed.md")]
pub mod speed {}

#[doc = include_str!("../guide/storage.md")]
pub mod storage {}

#[doc = include_str!("../guide/testing.md")]
pub mod testing {}
