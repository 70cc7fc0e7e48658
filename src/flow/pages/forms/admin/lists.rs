//! The lists of users and of events.

use axum::response::Response;
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    gate::{admin_page, reader, refused},
    user::user_page,
};
use crate::{
    error::{AuthError, ErrorKind},
    flow::pages::{
        mails::device_name,
        values::{Values, entries},
        visit::Visit,
    },
};

type Answer = Result<Response, Response>;

/// A list, the parameters that filter it, and the members of an entry that are the id of a user.
struct List {
    page: &'static str,
    template: &'static str,
    route: &'static str,
    member: &'static str,
    filters: &'static [&'static str],
    users: &'static [&'static str],
}

const USERS: List = List {
    page: "admin",
    template: "admin",
    route: "/admin/users",
    member: "users",
    filters: &["query", "status", "role"],
    users: &["id"],
};
const EVENTS: List = List {
    page: "admin/events",
    template: "admin-events",
    route: "/admin/events",
    member: "events",
    filters: &["user_id", "kind"],
    users: &["user_id", "actor_id"],
};

pub(in crate::flow::pages) async fn users(visit: Visit) -> Answer {
    USERS.show(&visit).await
}

pub(in crate::flow::pages) async fn events(visit: Visit) -> Answer {
    EVENTS.show(&visit).await
}

impl List {
    async fn show(&self, visit: &Visit) -> Answer {
        let own = visit.own_path(self.page);
        reader(visit, &own).await?;
        let mut filters = Vec::new();
        for name in self.filters {
            filters.push((*name, visit.parameter(name)?.unwrap_or_default()));
        }
        let cursor = visit.parameter("cursor")?;
        let query = query_of(filters.iter().copied().chain(cursor.map(|own| ("cursor", own))));
        let read = visit.call_empty(Method::GET, &format!("{}{query}", self.route)).await;
        let (mut body, error) = match read {
            Ok(reply) => (reply.body, None),
            Err(error) if is_of_list(&error) => (Value::Null, Some(error)),
            Err(error) => return Err(refused(visit, error, &own)),
        };
        let lang = visit.parameter("lang")?.filter(|_| !visit.suffix().is_empty());
        let link = |cursor: &str| {
            let more = [("cursor", cursor), ("lang", lang.unwrap_or_default())];
            let query = query_of(filters.iter().copied().chain(more));
            format!("{}{query}", visit.site.pages.path(self.page))
        };
        let next = body.get("next_cursor").and_then(Value::as_str).map(link);
        let mut list = body.get_mut(self.member).map(Value::take).unwrap_or_default();
        for entry in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            self.link(visit, entry);
        }
        let filtered: Map<String, Value> =
            filters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let list = entries(list, |agent: &str| device_name(agent, &visit.language));
        let page = admin_page(visit, self.template, &[])
            .values(Values::from([("list", list)]))
            .value("filters", filtered)
            .value("next", next)
            .value("first", cursor.map(|_| link("")));
        Ok(visit.page(page.error(error.as_ref())))
    }

    /// Adds the pages of the users that an entry names.
    fn link(&self, visit: &Visit, entry: &mut Map<String, Value>) {
        for name in self.users {
            let id = entry.get(*name).and_then(Value::as_str);
            let href = id.map(|id| format!("{}{}", user_page(visit, id), visit.suffix()));
            entry.insert(format!("{name}_href"), json!(href));
        }
    }
}

/// Returns whether a list cannot be shown, which the page says beside the form.
fn is_of_list(error: &AuthError) -> bool {
    matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::Unsupported)
}

/// Returns a query with the parameters that are not empty.
fn query_of<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(parameters.filter(|(_, value)| !value.is_empty())).finish();
    if query.is_empty() { query } else { format!("?{query}") }
}
