//! Converts requests to Cedar values.
//!
//! Values are built and not parsed, so an attribute whose text looks like an entity reference
//! remains text.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
    Schema,
};
use serde_json::{Map, Value};

use super::PolicyRequest;
use crate::model::{Subject, SubjectKind};

/// The cause of a failed conversion, for the log.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Returns the request and its entities in Cedar's types.
pub(super) fn question(
    subject: &Subject,
    ask: &PolicyRequest,
    schema: Option<&Schema>,
) -> Result<(Request, Entities), Failure> {
    let principal = principal(subject)?;
    let resource = resource(ask)?;
    let action = uid("Action", &ask.action)?;
    let context = Context::from_pairs(terms(&ask.context)?)?;
    let request = Request::new(principal.uid(), action, resource.uid(), context, schema)?;
    let own = [principal, resource];
    let entities = Entities::from_entities(own.into_iter().chain(ask.others.clone()), schema)?;
    Ok((request, entities))
}

fn principal(subject: &Subject) -> Result<Entity, Failure> {
    let kind = match subject.kind {
        SubjectKind::User => "User",
        SubjectKind::Service => "Service",
        SubjectKind::Anonymous => "Anonymous",
    };
    let id = subject.id.as_ref().map_or("nobody", |id| id.as_str());
    let mut attributes = HashMap::from([
        ("roles".to_owned(), texts(&subject.roles)),
        ("scopes".to_owned(), texts(&subject.scopes)),
        ("attributes".to_owned(), RestrictedExpression::new_record(terms(&subject.attributes)?)?),
    ]);
    let mut parents = HashSet::new();
    for role in &subject.roles {
        parents.insert(uid("Role", role)?);
    }
    if let Some(tenant) = &subject.tenant_id {
        attributes.insert("tenant".to_owned(), RestrictedExpression::new_string(tenant.clone()));
        parents.insert(uid("Tenant", tenant)?);
    }
    Ok(Entity::new(uid(kind, id)?, attributes, parents)?)
}

fn resource(ask: &PolicyRequest) -> Result<Entity, Failure> {
    let mut attributes: HashMap<_, _> = terms(&ask.attributes)?.into_iter().collect();
    if let Some((kind, id)) = &ask.owner {
        let owner = RestrictedExpression::new_entity_uid(uid(kind, id)?);
        attributes.insert("owner".to_owned(), owner);
    }
    let parents =
        ask.parents.iter().map(|(kind, id)| uid(kind, id)).collect::<Result<HashSet<_>, _>>()?;
    Ok(Entity::new(uid(&ask.kind, &ask.id)?, attributes, parents)?)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Failure> {
    let kind: EntityTypeName = kind.parse()?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn texts(all: &[String]) -> RestrictedExpression {
    RestrictedExpression::new_set(all.iter().cloned().map(RestrictedExpression::new_string))
}

/// Converts the members of an object. A `null` member is omitted.
fn terms(map: &Map<String, Value>) -> Result<Vec<(String, RestrictedExpression)>, Failure> {
    let mut all = Vec::with_capacity(map.len());
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let term = term(value).map_err(|failure| format!("the attribute {name}: {failure}"))?;
        all.push((name.clone(), term));
    }
    Ok(all)
}

/// Converts a value. Fails if Cedar cannot represent it: if it were omitted, a `forbid` that
/// depends on it would not apply.
fn term(value: &Value) -> Result<RestrictedExpression, Failure> {
    Ok(match value {
        Value::Null => return Err("`null` in a list has no equivalent in Cedar".into()),
        Value::Bool(flag) => RestrictedExpression::new_bool(*flag),
        Value::Number(number) => {
            let whole = number.as_i64().ok_or("the number is not an integer of 64 bits")?;
            RestrictedExpression::new_long(whole)
        }
        Value::String(text) => RestrictedExpression::new_string(text.clone()),
        Value::Array(all) => {
            RestrictedExpression::new_set(all.iter().map(term).collect::<Result<Vec<_>, _>>()?)
        }
        Value::Object(map) => RestrictedExpression::new_record(terms(map)?)?,
    })
}
