//! The pages for sign-in, sign-up, sign-in by email, and sign-out.

use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    error::AuthError,
    flow::pages::{response::Page, visit::Visit},
    services::ProviderView,
};

type Answer = Result<Response, Response>;

/// A form that begins a sign-in.
struct SignInForm {
    page: &'static str,
    route: &'static str,
    inputs: &'static [&'static str],
}

const SIGN_IN: SignInForm =
    SignInForm { page: "sign-in", route: "/sign-in", inputs: &["email", "password"] };
const SIGN_UP: SignInForm = SignInForm {
    page: "sign-up",
    route: "/sign-up",
    inputs: &["email", "password", "display_name"],
};
const EMAIL: SignInForm = SignInForm { page: "email", route: "/email-sign-in", inputs: &["email"] };

pub(in crate::flow::pages) async fn show_sign_in(visit: Visit) -> Answer {
    SIGN_IN.show(&visit)
}

pub(in crate::flow::pages) async fn sign_in(visit: Visit) -> Answer {
    let return_to = SIGN_IN.return_to(&visit)?;
    let mut body = SIGN_IN.body(&visit)?;
    if visit.site.core.usernames.is_enabled()
        && let Some(login) = body.remove("email")
    {
        body.insert("login".to_owned(), login);
    }
    SIGN_IN.send(&visit, body, return_to.as_deref()).await
}

pub(in crate::flow::pages) async fn show_sign_up(visit: Visit) -> Answer {
    SIGN_UP.show(&visit)
}

pub(in crate::flow::pages) async fn sign_up(visit: Visit) -> Answer {
    let return_to = SIGN_UP.return_to(&visit)?;
    SIGN_UP.send(&visit, SIGN_UP.body(&visit)?, return_to.as_deref()).await
}

pub(in crate::flow::pages) async fn show_email(visit: Visit) -> Answer {
    EMAIL.show(&visit)
}

pub(in crate::flow::pages) async fn email(visit: Visit) -> Answer {
    let return_to = EMAIL.return_to(&visit)?;
    let mut body = EMAIL.body(&visit)?;
    if let Some(target) = &return_to {
        // The link of the message leads there too.
        body.insert("redirect_to".to_owned(), json!(target));
    }
    EMAIL.send(&visit, body, return_to.as_deref()).await
}

impl SignInForm {
    fn show(&self, visit: &Visit) -> Answer {
        let return_to = visit.return_to()?;
        Ok(visit.page(self.page(visit, return_to.as_deref(), None)?))
    }

    /// Returns the return path of the form, which is checked before anything happens. With another
    /// one the page is shown again without it.
    fn return_to(&self, visit: &Visit) -> Result<Option<String>, Response> {
        match visit.posted_return_to() {
            Ok(target) => Ok(target),
            Err(error) => Err(visit.page(self.page(visit, None, Some(&error))?)),
        }
    }

    /// Returns the members of the request for the inputs.
    fn body(&self, visit: &Visit) -> Result<Map<String, Value>, Response> {
        let mut body = visit.members(self.inputs)?;
        body.insert("transport".to_owned(), json!("cookie"));
        if visit.input("persistent")? == Some("false") {
            body.insert("persistent".to_owned(), json!(false));
        }
        Ok(body)
    }

    async fn send(
        &self,
        visit: &Visit,
        body: Map<String, Value>,
        return_to: Option<&str>,
    ) -> Answer {
        match visit.send(Method::POST, self.route, Value::Object(body)).await {
            Ok(reply) => Ok(visit.conclude(reply, return_to).await),
            Err(error) => Ok(visit.page(self.page(visit, return_to, Some(&error))?)),
        }
    }

    fn page<'a>(
        &self,
        visit: &Visit,
        return_to: Option<&'a str>,
        error: Option<&'a AuthError>,
    ) -> Result<Page<'a>, Response> {
        let page = with_ways(visit, Page::new(self.page, self.inputs), return_to);
        let page = page.template_value("requirements", &visit.site.offers.first_password);
        Ok(with_typed(visit, page, self.inputs)?.return_to(return_to).error(error))
    }
}

pub(in crate::flow::pages) async fn show_sign_out(visit: Visit) -> Answer {
    Ok(visit.page(Page::new("sign-out", &[])))
}

pub(in crate::flow::pages) async fn sign_out(visit: Visit) -> Answer {
    visit.form()?;
    match visit.call_empty(Method::POST, "/sign-out").await {
        Ok(reply) => Ok(visit.leave("/", reply)),
        Err(error) => Ok(visit.error(&error)),
    }
}

pub(in crate::flow::pages) async fn end_impersonation(visit: Visit) -> Answer {
    visit.form()?;
    match visit.call_empty(Method::POST, "/impersonation/end").await {
        Ok(reply) => Ok(visit.leave("/", reply)),
        Err(error) => Ok(visit.error(&error)),
    }
}

/// Adds the sign-in methods of the application, to which a page links.
fn with_ways<'a>(visit: &Visit, page: Page<'a>, return_to: Option<&str>) -> Page<'a> {
    let (links, origins) = provider_links(visit, return_to);
    page.template_value("ways", &visit.site.offers.ways)
        .value("providers", links)
        .form_origins(origins)
}

/// Returns the providers that users can sign in with, and their origins.
pub(super) fn provider_links(visit: &Visit, return_to: Option<&str>) -> (Vec<Value>, Vec<String>) {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("redirect_to", return_to.unwrap_or("/"));
    let (query, routes) = (query.finish(), visit.site.pages.routes());
    let all = visit.site.core.provider_views().into_iter().filter(|own| own.signs_in);
    let links = all.map(|ProviderView { id, name, origin, .. }| {
        let href = format!("{routes}/oauth/{id}/start?{query}");
        (json!({ "id": id, "name": name, "href": href }), origin)
    });
    let (links, origins): (_, Vec<_>) = links.unzip();
    (links, origins.into_iter().flatten().collect())
}

/// Adds what was typed, except passwords.
fn with_typed<'a>(
    visit: &Visit,
    page: Page<'a>,
    inputs: &[&'static str],
) -> Result<Page<'a>, Response> {
    let mut typed = Map::new();
    for name in inputs.iter().filter(|name| !name.contains("password")) {
        let value = if visit.is_post() { visit.input(name)? } else { None };
        typed.insert((*name).to_owned(), json!(value.unwrap_or_default()));
    }
    let is_shared = visit.is_post() && visit.input("persistent")? == Some("false");
    typed.insert("persistent".to_owned(), json!(is_shared));
    Ok(page.value("typed", typed))
}
