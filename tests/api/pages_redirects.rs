//! Where the forms of the pages lead: the directive `form-action` of each page names the origins that
//! its forms are redirected to, since a browser blocks other redirects.

use authlayer::testing::TestResponse;

use crate::{
    codes::last_code,
    pages::{led, link, open, to, value},
    providers::with_providers,
    support::{PASSWORD, on_managed_stores},
};

const ADA: &str = "ada@example.com";
const TARGET: &str = "https://app.example/x";

/// Returns the sources of `form-action`.
fn form_action(answer: &TestResponse) -> Vec<String> {
    let policy = answer.header("content-security-policy");
    let directive = policy.split(';').find_map(|own| own.trim().strip_prefix("form-action "));
    let sources = directive.unwrap_or_else(|| panic!("{policy}")).split(' ');
    sources.map(ToOwned::to_owned).collect()
}

fn origin(url: &str) -> String {
    let parts: Vec<_> = url.splitn(4, '/').collect();
    parts[..3].join("/")
}

on_managed_stores! {
    async fn pages_of_a_pending_sign_in_name_the_origin_it_returns_to(bed: &Bed, {
        "pages": true, "verify_email": true, "redirect_allow": ["https://app.example", "com.example.app:/signed-in"]
    }) {
        let client = bed.client();
        let form = [("email", ADA), ("password", PASSWORD), ("return_to", TARGET)];
        assert_eq!(led(&client.post_form("/account/sign-up", &form).await), to("/account/verify"));
        let shown = client.get("/account/verify").await;
        assert_eq!(form_action(&shown), ["'self'", "https://app.example"]);
        let refused = client.post_form("/account/verify", &[("code", "x")]).await;
        assert_eq!(form_action(&refused), ["'self'", "https://app.example"]);
        let code = last_code(bed, ADA).await;
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &code)]).await), to(TARGET));

        let shown = client.get("/account/sign-in?return_to=com.example.app:/signed-in").await;
        assert_eq!(form_action(&shown), ["'self'", "com.example.app:"]);
    }

    async fn page_of_a_sign_in_link_names_the_origin_it_returns_to(bed: &Bed, {
        "pages": true, "redirect_allow": ["https://app.example"]
    }) {
        let client = bed.client();
        let form = [("email", ADA), ("return_to", TARGET)];
        assert_eq!(led(&client.post_form("/account/email", &form).await), to("/account/verify"));
        let shown = open(&client, &link(bed, ADA).await).await;
        assert_eq!(form_action(&shown), ["'self'", "https://app.example"]);
        let digest = value(&shown, "for").unwrap();
        let answer = client.post_form("/account/sign-in-link", &[("for", &digest)]).await;
        assert_eq!(led(&answer), to(TARGET));
        assert!(client.cookie("auth-pending").is_none(), "the code was consumed with its link");
    }
}

with_providers! {
    async fn pages_name_the_origin_of_the_authorization_endpoint(world: &World, { "pages": true }) {
        world.idp.metadata("authorization_endpoint", "https://login.example.net/authorize");
        let client = world.bed.browser(ADA).await;
        let sources = form_action(&client.get("/account/security").await);
        assert!(sources.contains(&"https://login.example.net".to_owned()), "{sources:?}");
        assert!(!sources.contains(&origin(world.idp.issuer())), "{sources:?}");
        for other in [world.other.issuer(), &world.github.url()] {
            assert!(sources.contains(&origin(other)), "{sources:?}");
        }
        let linked = client.post_form("/account/security/identities", &[("provider", "fake")]).await;
        assert!(linked.header("location").starts_with("https://login.example.net/authorize?"));
        // The page of sign-in does not wait for the metadata of a provider; here it is known.
        let sources = form_action(&world.client().get("/account/sign-in").await);
        assert!(sources.contains(&"https://login.example.net".to_owned()), "{sources:?}");
    }
}
