//! Registration of the pages.

use std::sync::Arc;

use super::{
    MailTemplates, Pages, PagesService, problem, routes,
    values::{Values, view},
};
use crate::{
    config::ConfigError,
    error::{AuthError, ErrorKind},
    flow::Flow,
    model::Transport,
    registry::Registry,
    services::{ErrorPage, LanguagePreference, PageLinks, RenderedPage},
};

impl Flow for Pages {
    type Service = PagesService;

    fn name(&self) -> &str {
        "pages"
    }

    fn register(self, registry: &mut Registry) -> Result<PagesService, ConfigError> {
        let core = registry.core();
        let refused = |problem: String| ConfigError::Flow { flow: "pages".to_owned(), problem };
        let is_path = self.mount.starts_with('/')
            && !self.mount.ends_with('/')
            && self.mount.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
        if !is_path {
            let mount = &self.mount;
            return Err(refused(format!(
                "mount_path {mount:?} must be a path such as \"/account\""
            )));
        }
        if core.sessions.options().resolve_transport(Some(Transport::Cookie)).is_err() {
            return Err(refused(
                "pages need cookies: the session option `mode` must be `Both` or `Cookie`"
                    .to_owned(),
            ));
        }
        let mount = self.mount.clone();
        let service = PagesService::new(core.mount.clone(), self).map_err(refused)?;
        let mails = MailTemplates::new(service.clone(), core.origins.first());
        let mails = mails.map_err(refused)?;
        if let Some(outbox) = &core.outbox {
            outbox.offer_templates(Arc::new(mails));
        }
        let errors = Arc::new(Errors(service.clone()));
        registry.offer(PageLinks { mount, errors }).offer(service.clone());
        routes::well_known(registry, &service, core.origins.of_links());
        Ok(service)
    }
}

/// Returns whether an error ends a sign-in at a provider, which the user can begin again.
fn is_of_sign_in(error: &AuthError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidState
            | ErrorKind::ProviderDenied
            | ErrorKind::ProviderError
            | ErrorKind::EmailNotVerified
            | ErrorKind::AccountExists
            | ErrorKind::IdentityTaken
            | ErrorKind::AccountDisabled
            | ErrorKind::SignUpDisabled
    )
}

/// Renders the errors of guards and of sign-ins at providers.
struct Errors(PagesService);

impl ErrorPage for Errors {
    fn render(&self, error: &AuthError, preference: LanguagePreference<'_>) -> RenderedPage {
        let LanguagePreference { query, user, accept } = preference;
        let language = self.0.words().negotiate(query, user, accept);
        let problem = problem::Problem::new(error, &language, &[]);
        let values = Values::from([
            ("error", view(problem.to_json())),
            ("is_sign_in", is_of_sign_in(error).into()),
        ]);
        let html = self.0.render("error.html", &language, "", values).unwrap_or_default();
        RenderedPage { html, policy: self.0.policy(&[]) }
    }
}
