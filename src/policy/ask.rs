//! Policy requests and decisions.

use cedar_policy::Entity;
use serde_json::{Map, Value};

/// A policy request: an action on a resource.
///
/// ```
/// use authlayer::PolicyRequest;
///
/// let edit = PolicyRequest::new("edit", "File", "a.txt")
///     .owner("4711")
///     .attribute("public", false)
///     .in_parent("Folder", "docs");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyRequest {
    pub(super) action: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) parents: Vec<(String, String)>,
    pub(super) owner: Option<(String, String)>,
    pub(super) context: Map<String, Value>,
    pub(super) others: Vec<Entity>,
}

impl PolicyRequest {
    /// Creates a request for an action (`Action::"read"`) on a resource (`File::"a.txt"`).
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

    /// Sets the owner of the resource: `resource.owner == principal`.
    pub fn owner(mut self, user: impl Into<String>) -> Self {
        self.owner = Some(("User".to_owned(), user.into()));
        self
    }

    /// Adds an attribute of the resource: `resource.public`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Adds a parent of the resource: `resource in Folder::"…"`, `resource in Tenant::"…"`.
    pub fn in_parent(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.parents.push((kind.into(), id.into()));
        self
    }

    /// Adds an attribute of the request context: `context.from_office`.
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// Adds another entity that policies refer to, such as the folders above the resource.
    pub fn with_entity(mut self, entity: Entity) -> Self {
        self.others.push(entity);
        self
    }

    /// Returns the text for the `missing` member of an error response.
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

/// Maximum length of a resource id in an event, in characters.
const LONGEST_ID: usize = 200;

/// The decision of the policies.
///
/// ```
/// use authlayer::PolicyDecision;
///
/// fn explain(decision: &PolicyDecision) -> String {
///     match decision.is_allowed() {
///         true => "allowed".to_owned(),
///         false => format!("denied: {:?} {:?}", decision.policies, decision.errors),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDecision {
    pub(super) allowed: bool,
    /// The policies that determined the decision, by their `@id` or their position in the text
    /// (`policy0`).
    pub policies: Vec<String>,
    /// The errors of the evaluation. With any error the request is denied.
    pub errors: Vec<String>,
}

impl PolicyDecision {
    /// Returns `true` if the request is allowed.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    pub(super) fn failed(error: impl ToString) -> Self {
        Self { allowed: false, policies: Vec::new(), errors: vec![error.to_string()] }
    }
}
