//! The values of templates. They are built from the responses of routes without `serde`, and a
//! value that a template does not use costs nothing.

use std::{collections::BTreeMap, sync::Arc};

use minijinja::{
    Value,
    value::{Enumerator, Object},
};
use serde_json::{Number, Value as Json};

/// The values of a page, by name.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// Converts a JSON value.
pub(super) fn view(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(own) => Value::from(own),
        Json::Number(own) => number(&own),
        Json::String(own) => Value::from(own),
        Json::Array(own) => own.into_iter().map(view).collect::<Vec<_>>().into(),
        Json::Object(_) => Value::from_object(Members::of(json)),
    }
}

fn number(own: &Number) -> Value {
    let whole = own.as_u64().map(Value::from).or_else(|| own.as_i64().map(Value::from));
    whole.unwrap_or_else(|| Value::from(own.as_f64().unwrap_or_default()))
}

/// The members of a JSON object.
#[derive(Debug)]
struct Members(Vec<(String, Value)>);

impl Members {
    fn of(json: Json) -> Self {
        let Json::Object(members) = json else { return Self(Vec::new()) };
        Self(members.into_iter().map(|(name, own)| (name, view(own))).collect())
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    fn names(&self) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| Value::from(name.as_str())).collect())
    }
}

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.find(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.names()
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The times of entries; each has a date, with `_date` after its name.
const TIMES: [&str; 5] = ["created_at", "last_used_at", "last_seen_at", "linked_at", "expires_at"];

/// An entry of a list of the account, with the date of each time and the name of its device.
#[derive(Debug)]
struct Entry {
    members: Members,
    device: Option<Value>,
}

/// Converts a list of entries; a device is named by its user agent.
pub(super) fn entries(list: Json, device: impl Fn(&str) -> String) -> Value {
    let Json::Array(list) = list else { return view(list) };
    list.into_iter().map(|json| entry(json, &device)).collect::<Vec<_>>().into()
}

/// Converts an entry of a list.
pub(super) fn entry(json: Json, device: impl Fn(&str) -> String) -> Value {
    let members = Members::of(json);
    let agent = members.find("user_agent");
    let device = agent.map(|agent| device(agent.as_str().unwrap_or_default()).into());
    Value::from_object(Entry { members, device })
}

impl Object for Entry {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Some(own) = self.members.find(key) {
            return Some(own.clone());
        }
        if key == "device" {
            return self.device.clone();
        }
        let time = key.strip_suffix("_date").filter(|time| TIMES.contains(time))?;
        let time = self.members.find(time).and_then(Value::as_str).unwrap_or_default();
        Some(time.split('T').next().unwrap_or_default().into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.members.names()
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.members.0.len())
    }
}

/// All values of a page: its own ones, else those that all pages of a language have.
#[derive(Debug)]
pub(super) struct PageContext {
    pub(super) page: Values,
    pub(super) shared: Arc<Values>,
}

impl Object for PageContext {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.page.get(key).or_else(|| self.shared.get(key)).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let shared = self.shared.keys().filter(|name| !self.page.contains_key(*name));
        Enumerator::Values(self.page.keys().chain(shared).map(|name| Value::from(*name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, UndefinedBehavior};
    use serde_json::json;

    use super::*;

    fn render(template: &str, own: Values) -> Result<String, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let context =
            PageContext { page: own, shared: Arc::new(Values::from([("app", "Ex".into())])) };
        let rendered = environment.render_str(template, Value::from_object(context));
        rendered.map_err(|error| error.to_string())
    }

    #[test]
    fn json_is_shown_as_by_serde() {
        let json = json!({
            "none": null, "yes": true, "count": 3, "less": -1, "half": 0.5, "text": "<a>",
            "list": ["x", "y"], "empty": [], "inner": { "ner": { "most": "z" } }, "no": {},
        });
        let template = "{{ v.none is none }} {{ v.yes }} {{ v.count }} {{ v.less }} {{ v.half }} \
                        {{ v.text }} {{ v.list|join('-') }} {{ v.list|length }} {{ 'y' in v.list }} \
                        {% if v.empty or v.no %}full{% endif %} {{ v.inner.ner.most }} {{ v.inner.x is defined }} \
                        {% for key, own in v.inner|items %}{{ key }}{% endfor %} {{ app }}";
        let own = render(template, Values::from([("v", view(json.clone()))]));
        let serde = Value::from(minijinja::value::Serde(json));
        assert_eq!(own, render(template, Values::from([("v", serde)])));
        assert!(own.unwrap().contains("True True 3 -1 0.5"));
    }

    #[test]
    fn entries_have_dates_and_devices() {
        let list = json!([
            { "created_at": "2026-01-02T03:04:05Z", "last_used_at": null, "user_agent": "curl/8" },
            { "created_at": "2026-02-03T00:00:00Z" },
        ]);
        let list = || entries(list.clone(), |agent| format!("<{agent}>"));
        let template = "{% for own in list %}{{ own.created_at_date }}[{{ own.last_used_at_date }}]\
                        {{ own.device if own.device is defined }};{% endfor %}";
        let shown = render(template, Values::from([("list", list())])).unwrap();
        assert_eq!(shown, "2026-01-02[]<curl/8>;2026-02-03[];");
        assert!(render("{{ list[0].name }}", Values::from([("list", list())])).is_err());
        assert_eq!(
            render("{{ list }}", Values::from([("list", view(Json::Null))])).unwrap(),
            "None"
        );
    }
}
