//! The pages of this crate, as seen by guards, messages and redirects.

use std::{collections::HashSet, fmt, sync::Arc};

use http::HeaderMap;
use serde_json::{Value, json};

use super::{ChallengeHandle, Core, methods::methods_of, second_step::return_to_of};
use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    model::Email,
    store::{Challenge, ChallengeKind},
};

/// The pages that the flow `Pages` serves.
#[derive(Clone)]
pub(crate) struct PageLinks {
    /// The path that the pages are nested at.
    pub(crate) mount: String,
    pub(crate) errors: Arc<dyn ErrorPage>,
}

impl PageLinks {
    /// Returns the path of a page.
    pub(crate) fn path(&self, page: &str) -> String {
        format!("{}/{page}", self.mount)
    }
}

impl fmt::Debug for PageLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageLinks").field("mount", &self.mount).finish_non_exhaustive()
    }
}

/// The page that shows an error on a route of the application.
pub(crate) trait ErrorPage: Send + Sync {
    fn render(&self, error: &AuthError, headers: &HeaderMap) -> RenderedPage;
}

/// An HTML document and its `Content-Security-Policy`.
#[derive(Debug)]
pub(crate) struct RenderedPage {
    pub(crate) html: String,
    pub(crate) policy: String,
}

/// The paths of all registered routes, below the mount path.
#[derive(Debug, Default)]
pub(crate) struct RoutePaths(pub(crate) HashSet<String>);

/// A live challenge, for the page that asks for its code.
#[derive(Debug)]
pub(crate) struct PendingView {
    pub(crate) kind: ChallengeKind,
    pub(crate) methods: Vec<String>,
    /// The masked email address that a code was sent to.
    pub(crate) sent_to: Option<String>,
    pub(crate) return_to: Option<String>,
}

/// A provider, for a button.
#[derive(Debug)]
pub(crate) struct ProviderView {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The origin of the provider, to which a form is redirected.
    pub(crate) origin: String,
    /// Whether its identities can sign in.
    pub(crate) signs_in: bool,
}

/// A live link of a message, for its page.
#[derive(Debug)]
pub(crate) struct LinkView {
    pub(crate) kind: ChallengeKind,
    /// The masked email address that it is for.
    pub(crate) address: Option<String>,
}

impl Core {
    /// Returns the path of a page, if the application has the pages of this crate.
    pub(crate) fn page(&self, name: &str) -> Option<String> {
        self.offered::<PageLinks>().map(|pages| pages.path(name))
    }

    /// Returns whether a flow registered this path.
    pub(crate) fn has_route(&self, path: &str) -> bool {
        self.offered::<RoutePaths>().is_some_and(|paths| paths.0.contains(path))
    }

    /// Returns the URL of a link in a message. The page of this crate moves the token out of its
    /// URL at once; a page of the application has it in the fragment, which is not sent to servers.
    pub(crate) fn mail_link(&self, page: &str, configured: &str, token: &str) -> String {
        let origin = self.origins.first();
        match self.page(page) {
            Some(page) => format!("{origin}{page}?token={token}"),
            None => format!("{origin}{configured}#token={token}"),
        }
    }

    /// Returns the registered providers.
    pub(crate) fn provider_views(&self) -> Vec<ProviderView> {
        let all = self.providers.all();
        let views = all.iter().map(|own| ProviderView {
            id: own.id().to_owned(),
            name: display_name(own.id()),
            origin: origin_of(own.issuer()),
            signs_in: own.rules().sign_in,
        });
        views.collect()
    }

    /// Stores the return target of a pending challenge. It must have been checked.
    pub(crate) async fn set_return_to(
        &self,
        handle: &ChallengeHandle,
        target: &str,
    ) -> Result<(), AuthError> {
        let Some(challenge) = self.live(TokenPurpose::Challenge, handle.expose()).await? else {
            return Ok(());
        };
        let mut data = challenge.data.as_object().cloned().unwrap_or_default();
        if data.insert("return_to".to_owned(), json!(target)) == Some(json!(target)) {
            return Ok(());
        }
        let (before, now) = (&challenge.data, self.clock.now());
        let data = Value::Object(data);
        self.challenges.replace_data(&challenge.id, before, &data, None, now).await?;
        Ok(())
    }

    /// Returns a pending challenge, if its handle is valid and has attempts left.
    pub(crate) async fn pending_view(
        &self,
        handle: &str,
    ) -> Result<Option<PendingView>, AuthError> {
        let found = self.live(TokenPurpose::Challenge, handle).await?;
        let Some(challenge) = found.filter(|own| own.tries > 0 && is_answered_by_code(own.kind))
        else {
            return Ok(None);
        };
        let methods = methods_of(&challenge).into_iter().map(ToOwned::to_owned).collect();
        let stored = challenge.data.get("recipient").and_then(Value::as_str);
        let sent_to = challenge.address.as_ref().map(Email::masked);
        let sent_to = sent_to.or_else(|| Some(Email::parse(stored?).ok()?.masked()));
        let return_to = return_to_of(&challenge).map(ToOwned::to_owned);
        Ok(Some(PendingView { kind: challenge.kind, methods, sent_to, return_to }))
    }

    /// Returns a link of a message that is still valid, without consuming it.
    pub(crate) async fn link_view(&self, token: &str) -> Result<Option<LinkView>, AuthError> {
        let Some(link) = self.live(TokenPurpose::Link, token).await? else { return Ok(None) };
        let former = link.data.pointer("/undo/former").and_then(Value::as_str);
        let former = former.and_then(|text| Email::parse(text).ok());
        let address = link.address.or(former).as_ref().map(Email::masked);
        Ok(Some(LinkView { kind: link.kind, address }))
    }

    async fn live(
        &self,
        purpose: TokenPurpose,
        text: &str,
    ) -> Result<Option<Challenge>, AuthError> {
        let Some(token) = OneTimeToken::parse(purpose, text) else { return Ok(None) };
        Ok(self.challenges.find_challenge(&token.digest(), self.clock.now()).await?)
    }
}

/// Returns the name of a provider for users: its id with a capital letter, unless it has another
/// spelling.
fn display_name(id: &str) -> String {
    match id {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "linkedin" => "LinkedIn".to_owned(),
        _ => {
            let mut rest = id.chars();
            rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
        }
    }
}

fn origin_of(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    url.get(..path).unwrap_or_default().to_owned()
}

/// Returns whether a code or another text completes challenges of a kind.
fn is_answered_by_code(kind: ChallengeKind) -> bool {
    matches!(
        kind,
        ChallengeKind::SignUp
            | ChallengeKind::SignIn
            | ChallengeKind::StepUp
            | ChallengeKind::PasswordChange
            | ChallengeKind::EmailChange
            | ChallengeKind::RecoveryRequest
            | ChallengeKind::Custom(_)
    )
}
