//! JSON Schemas and examples.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    ComponentsBuilder, Ref, RefOr, Schema as Written,
    schema::{
        AdditionalProperties, AllOfBuilder, AnyOfBuilder, ArrayBuilder, ObjectBuilder,
        OneOfBuilder, SchemaFormat, SchemaType, Type,
    },
};

use super::super::{Member, RequestBody, Schema, schema::Presence, schema::Text};

/// The schemas that operations refer to.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<String, RefOr<Written>>);

impl Schemas {
    pub(super) fn finish(self) -> ComponentsBuilder {
        let builder = ComponentsBuilder::new();
        self.0.into_iter().fold(builder, |all, (name, schema)| all.schema(name, schema))
    }

    /// Adds a schema, unless there is one with this name, and returns the reference.
    pub(super) fn named(
        &mut self,
        name: &str,
        schema: impl FnOnce(&mut Self) -> ObjectBuilder,
    ) -> RefOr<Written> {
        if !self.0.contains_key(name) {
            let schema = schema(self).build().into();
            self.0.insert(name.to_owned(), schema);
        }
        RefOr::Ref(Ref::from_schema_name(name))
    }

    pub(super) fn of(&mut self, schema: Schema) -> RefOr<Written> {
        self.with_null(schema, false)
    }

    fn with_null(&mut self, schema: Schema, is_nullable: bool) -> RefOr<Written> {
        let kind = |kind: Type| match is_nullable {
            true => SchemaType::from_iter([kind, Type::Null]),
            false => SchemaType::new(kind),
        };
        match schema {
            Schema::Text(text) => write_text(text, kind(Type::String), is_nullable).into(),
            Schema::Boolean(_) => ObjectBuilder::new().schema_type(kind(Type::Boolean)).into(),
            Schema::Integer(_) => {
                ObjectBuilder::new().schema_type(kind(Type::Integer)).minimum(Some(0)).into()
            }
            Schema::IntegerOf((min, max), _) => {
                let number = ObjectBuilder::new().schema_type(kind(Type::Integer));
                number.minimum(Some(min)).maximum(Some(max)).into()
            }
            Schema::Map(_) => ObjectBuilder::new().schema_type(kind(Type::Object)).into(),
            Schema::List(each) => {
                let items = self.of(*each);
                ArrayBuilder::new().schema_type(kind(Type::Array)).items(items).into()
            }
            Schema::Object(members) => {
                self.object(members, false).schema_type(kind(Type::Object)).into()
            }
            Schema::AnyOf(each) => {
                let all = each.iter().fold(AnyOfBuilder::new(), |all, own| all.item(self.of(*own)));
                all.into()
            }
            Schema::AllOf(each) => {
                let all = each.iter().fold(AllOfBuilder::new(), |all, own| all.item(self.of(*own)));
                all.into()
            }
            Schema::Named(name, members) => {
                let own = self.named(name, |all| all.object(members, false));
                if !is_nullable {
                    return own;
                }
                let null = ObjectBuilder::new().schema_type(Type::Null);
                AnyOfBuilder::new().item(own).item(null).into()
            }
        }
    }

    /// Returns an object. In a request, an optional member may be null.
    fn object(&mut self, members: &[Member], is_request: bool) -> ObjectBuilder {
        let mut object = ObjectBuilder::new().schema_type(Type::Object);
        for member in members {
            let is_optional =
                matches!(member.presence, Presence::Optional | Presence::OptionalNotNull);
            let is_nullable = match member.presence {
                Presence::Nullable => true,
                Presence::Optional => is_request,
                Presence::Required | Presence::OptionalNotNull => false,
            };
            object = object.property(member.name, self.with_null(member.schema, is_nullable));
            if !is_optional {
                object = object.required(member.name);
            }
        }
        object
    }

    /// Returns the schema of a body. If a member replaces another one, there are two alternatives.
    pub(super) fn body(&mut self, body: &RequestBody) -> RefOr<Written> {
        let mut write = |members: &[Member]| {
            let object = self.object(members, true);
            match body.admits_others {
                true => object,
                false => object.additional_properties(Some(AdditionalProperties::FreeForm(false))),
            }
        };
        let alternative = body.members.iter().find_map(|own| Some((own.name, own.replaces?)));
        let Some((name, replaced)) = alternative else { return write(body.members).into() };
        let without = |left_out: &str| -> Vec<Member> {
            body.members.iter().filter(|own| own.name != left_out).copied().collect()
        };
        let (first, second) = (write(&without(name)), write(&without(replaced)));
        OneOfBuilder::new().item(first).item(second).into()
    }
}

fn write_text(text: Text, kind: SchemaType, is_nullable: bool) -> ObjectBuilder {
    let mut written = ObjectBuilder::new().schema_type(kind);
    written = written.format(text.format.map(|own| SchemaFormat::Custom(own.to_owned())));
    if let Some((min, max)) = text.length {
        written = written.min_length(Some(min)).max_length(Some(max));
    }
    if let Some(pattern) = text.pattern {
        written = written.pattern(Some(pattern));
    }
    if !text.values.is_empty() {
        let values = text.values.iter().map(|own| Value::from(*own));
        let null = is_nullable.then_some(Value::Null);
        written = written.enum_values(Some(values.chain(null)));
    }
    written
}

/// Returns the example of a value.
pub(super) fn example(schema: Schema) -> Value {
    match schema {
        Schema::Text(text) => Value::from(text.example),
        Schema::Boolean(own) => Value::from(own),
        Schema::Integer(own) | Schema::IntegerOf(_, own) => Value::from(own),
        Schema::Map(json) => serde_json::from_str(json).unwrap_or_else(|_| json!({})),
        Schema::AnyOf(each) => each.first().map_or(Value::Null, |own| example(*own)),
        Schema::AllOf(each) => {
            let each = each.iter().map(|own| example(*own));
            let members = each.filter_map(|own| own.as_object().cloned()).flatten();
            Value::Object(members.collect())
        }
        Schema::List(each) => json!([example(*each)]),
        Schema::Object(members) | Schema::Named(_, members) => object_example(members),
    }
}

/// Returns an example with all members but those that replace another one.
pub(super) fn object_example(members: &[Member]) -> Value {
    let own = members.iter().filter(|own| own.replaces.is_none());
    let pairs = own.map(|own| (own.name.to_owned(), example(own.schema)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Returns the example of a parameter of a path.
pub(super) fn path_example(name: &str) -> &'static str {
    match name {
        "id" => "0198c2f0-6c5b-7000-8000-000000000000",
        _ => "example",
    }
}
