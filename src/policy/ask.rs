//! A question and its answer.

use cedar_policy::Entity;
use serde_json::{Map, Value};

/// What somebody wants to do, and to what.
#[derive(Clone, Debug)]
#[must_use]
pub struct Ask {
    pub(super) action: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) parents: Vec<(String, String)>,
    pub(super) owner: Option<(String, String)>,
    pub(super) context: Map<String, Value>,
    pub(super) others: Vec<Entity>,
}

impl Ask {
    /// May the subject do this (`Action::"read"`) to this (`File::"a.txt"`)?
    pub fn new(action: impl Into<String>, kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            kind: kind.into(),
            id: id.into(),
            attributes: Map::new(),
            parents: Vec::new(),
            owner: None,
            context: Map::new(),
            others: Vec::new(),
        }
    }

    /// Whose the resource is: `resource.owner == principal`.
    pub fn owner(mut self, user: impl Into<String>) -> Self {
        self.owner = Some(("User".to_owned(), user.into()));
        self
    }

    /// What else is known of the resource: `resource.public`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// What the resource stands in: `resource in Folder::"…"`, `resource in Tenant::"…"`.
    pub fn within(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.parents.push((kind.into(), id.into()));
        self
    }

    /// What is known of the request: `context.from_office`.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// Something else that policies look at, such as the folders above the resource.
    pub fn with_entity(mut self, entity: Entity) -> Self {
        self.others.push(entity);
        self
    }

    /// What is asked, for people and for the `missing` of a refusal.
    pub(crate) fn missing(&self) -> String {
        format!("policy:{}", self.action)
    }

    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    pub(crate) fn resource(&self) -> String {
        let id: String = self.id.chars().take(LONGEST_ID).collect();
        format!("{}::{id:?}", self.kind)
    }
}

/// How much of an id an event shows.
const LONGEST_ID: usize = 200;

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    pub(super) allowed: bool,
    /// The policies that decided, by their `@id` or their place in the text (`policy0`).
    pub policies: Vec<String>,
    /// What failed at this question. Where anything did, the answer is no.
    pub errors: Vec<String>,
}

impl Answer {
    /// Whether the subject may.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    pub(super) fn failed(error: impl ToString) -> Self {
        Self { allowed: false, policies: Vec::new(), errors: vec![error.to_string()] }
    }
}
