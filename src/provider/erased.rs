//! The object-safe form of the trait of providers.

use std::{future::Future, pin::Pin};

use super::{
    events::{EventFormat, ProviderEvents},
    port::{Provider, ProviderError, ProviderLogout},
    profile::ProviderProfile,
    request::ProviderRequest,
};

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// The object-safe form of [`Provider`].
pub(super) trait AnyProvider: Send + Sync {
    fn id(&self) -> &str;
    fn issuer(&self) -> &str;
    fn accepts_pkce(&self) -> bool;
    fn proves_time(&self) -> bool;
    fn proves_time_at_sign_in(&self) -> bool;
    fn check_issuer<'a>(&'a self, iss: Option<&'a str>) -> Boxed<'a, bool>;
    fn authorization_url<'a>(&'a self, request: &'a ProviderRequest) -> Boxed<'a, String>;
    fn redeem_code<'a>(
        &'a self,
        code: &'a str,
        request: &'a ProviderRequest,
    ) -> Boxed<'a, ProviderProfile>;
    fn uses_form_post(&self) -> bool;
    fn accepts_id_tokens(&self) -> bool;
    fn verify_id_token<'a>(
        &'a self,
        token: &'a str,
        nonce: &'a str,
    ) -> Boxed<'a, Option<ProviderProfile>>;
    fn end_session_url<'a>(
        &'a self,
        hint: Option<&'a str>,
        state: &'a str,
    ) -> Boxed<'a, Option<String>>;
    fn revoke_token<'a>(&'a self, refresh_token: &'a str) -> Boxed<'a, bool>;
    fn verify_logout_token<'a>(&'a self, token: &'a str) -> Boxed<'a, Option<ProviderLogout>>;
    fn receives_security_events(&self) -> bool;
    fn verify_security_events<'a>(
        &'a self,
        token: &'a str,
        format: EventFormat,
    ) -> Boxed<'a, Option<ProviderEvents>>;
}

impl<P: Provider> AnyProvider for P {
    fn id(&self) -> &str {
        Provider::id(self)
    }

    fn issuer(&self) -> &str {
        Provider::issuer(self)
    }

    fn accepts_pkce(&self) -> bool {
        Provider::accepts_pkce(self)
    }

    fn proves_time(&self) -> bool {
        Provider::proves_time(self)
    }

    fn proves_time_at_sign_in(&self) -> bool {
        Provider::proves_time_at_sign_in(self)
    }

    fn check_issuer<'a>(&'a self, iss: Option<&'a str>) -> Boxed<'a, bool> {
        Box::pin(Provider::check_issuer(self, iss))
    }

    fn authorization_url<'a>(&'a self, request: &'a ProviderRequest) -> Boxed<'a, String> {
        Box::pin(Provider::authorization_url(self, request))
    }

    fn redeem_code<'a>(
        &'a self,
        code: &'a str,
        request: &'a ProviderRequest,
    ) -> Boxed<'a, ProviderProfile> {
        Box::pin(Provider::redeem_code(self, code, request))
    }

    fn uses_form_post(&self) -> bool {
        Provider::uses_form_post(self)
    }

    fn accepts_id_tokens(&self) -> bool {
        Provider::accepts_id_tokens(self)
    }

    fn verify_id_token<'a>(
        &'a self,
        token: &'a str,
        nonce: &'a str,
    ) -> Boxed<'a, Option<ProviderProfile>> {
        Box::pin(Provider::verify_id_token(self, token, nonce))
    }

    fn end_session_url<'a>(
        &'a self,
        hint: Option<&'a str>,
        state: &'a str,
    ) -> Boxed<'a, Option<String>> {
        Box::pin(Provider::end_session_url(self, hint, state))
    }

    fn revoke_token<'a>(&'a self, refresh_token: &'a str) -> Boxed<'a, bool> {
        Box::pin(Provider::revoke_token(self, refresh_token))
    }

    fn verify_logout_token<'a>(&'a self, token: &'a str) -> Boxed<'a, Option<ProviderLogout>> {
        Box::pin(Provider::verify_logout_token(self, token))
    }

    fn receives_security_events(&self) -> bool {
        Provider::receives_security_events(self)
    }

    fn verify_security_events<'a>(
        &'a self,
        token: &'a str,
        format: EventFormat,
    ) -> Boxed<'a, Option<ProviderEvents>> {
        Box::pin(Provider::verify_security_events(self, token, format))
    }
}
