//! The pages of this crate, as seen by guards, messages and redirects.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use super::{ChallengeHandle, Core, methods::methods_of, second_step::return_to_of};
use crate::{
    crypto::{digest::Digest, handle::TokenPurpose},
    error::AuthError,
    model::{Email, Rule},
    redirect::form_source,
    session::AuthUser,
    store::{Challenge, ChallengeKind},
};

/// The time that a page waits for the metadata of providers.
const METADATA_LIMIT: Duration = Duration::from_secs(1);

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
    fn render(&self, error: &AuthError, preference: LanguagePreference<'_>) -> RenderedPage;
}

/// The preferences for the language of a page, strongest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LanguagePreference<'a> {
    /// The parameter `lang` of the query.
    pub(crate) query: Option<&'a str>,
    /// The `locale` of the user.
    pub(crate) user: Option<&'a str>,
    /// The header `Accept-Language`.
    pub(crate) accept: Option<&'a str>,
}

/// The started enrollments of authenticator apps, for the page that shows one again.
#[derive(Clone)]
pub(crate) struct Enrollments(pub(crate) Arc<dyn EnrollmentSource>);

/// The source of [`Enrollments`].
#[async_trait]
pub(crate) trait EnrollmentSource: Send + Sync {
    /// Returns the enrollment of a challenge, in the form of its route, or null if it is not valid
    /// for the session.
    async fn started(&self, user: &AuthUser, challenge: &str) -> Result<Value, AuthError>;
}

/// The rules of administrators, which their pages apply too.
#[derive(Clone, Debug)]
pub(crate) struct AdminRules {
    pub(crate) to_read: Arc<Rule>,
    pub(crate) to_write: Arc<Rule>,
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
    /// The origin of the authorization endpoint, to which a form is redirected.
    pub(crate) origin: Option<String>,
    /// Whether its identities can sign in.
    pub(crate) signs_in: bool,
}

/// A live link of a message, for its page.
#[derive(Debug)]
pub(crate) struct LinkView {
    pub(crate) kind: ChallengeKind,
    /// The masked email address that it is for.
    pub(crate) address: Option<String>,
    /// Where the sign-in that it completes leads.
    pub(crate) return_to: Option<String>,
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
        let origin = self.origins.of_links();
        match self.page(page) {
            Some(page) => format!("{origin}{page}?token={token}"),
            None => format!("{origin}{configured}#token={token}"),
        }
    }

    /// Fetches the authorization endpoints that are not known yet, for pages whose forms lead there.
    /// The page does not wait for a provider that does not respond.
    pub(crate) async fn find_authorization_endpoints(&self) {
        let mut fetches = JoinSet::new();
        for provider in self.providers.all() {
            if provider.authorization_endpoint().is_none() {
                let uri = self.redirect_uri(provider.id());
                fetches.spawn(async move { provider.find_authorization_endpoint(uri).await });
            }
        }
        if fetches.is_empty() {
            return;
        }
        let all = async {
            while let Some(found) = fetches.join_next().await {
                if let Ok(Err(error)) = found {
                    tracing::debug!(%error, "a provider returned no authorization endpoint");
                }
            }
        };
        let _in_time = timeout(METADATA_LIMIT, all).await;
    }

    /// Returns the redirect URI of a provider, which is derived from the configuration and never
    /// from a request (RFC 9700 §2.1).
    pub(crate) fn redirect_uri(&self, provider: &str) -> String {
        format!("{}{}/oauth/{provider}/callback", self.origins.of_callbacks(), self.mount)
    }

    /// Returns the registered providers. The origin of one whose endpoint is not known is that of
    /// its issuer.
    pub(crate) fn provider_views(&self) -> Vec<ProviderView> {
        let all = self.providers.all();
        let views = all.iter().map(|own| ProviderView {
            id: own.id().to_owned(),
            name: display_name(own.id()),
            origin: form_source(own.authorization_endpoint().as_deref().unwrap_or(own.issuer())),
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
        let return_to = self.return_to_of_link(&link).await?;
        let address = link.address.or(former).as_ref().map(Email::masked);
        Ok(Some(LinkView { kind: link.kind, address, return_to }))
    }

    /// Returns the return target of the sign-in that a link of a message completes.
    async fn return_to_of_link(&self, link: &Challenge) -> Result<Option<String>, AuthError> {
        let id = link.data.get("challenge").and_then(Value::as_str).and_then(Digest::from_base64);
        let Some(id) = id.filter(|_| link.kind == ChallengeKind::CodeLink) else { return Ok(None) };
        let sign_in = self.challenges.find_challenge(&id, self.clock.now()).await?;
        Ok(sign_in.as_ref().and_then(return_to_of).map(ToOwned::to_owned))
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
