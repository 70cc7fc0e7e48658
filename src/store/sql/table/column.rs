//! The SQL expressions that read a field from a column as text or integer, and write it.

use crate::store::{Shape, sql::Db};

/// A column of the table.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) not_null: bool,
    /// The default value, as an SQL expression.
    pub(super) default: Option<String>,
    /// Whether the database computes the value.
    pub(super) generated: bool,
    /// Whether the database generates a unique value for every row.
    pub(super) counted: bool,
    /// The quoted name of the collation on PostgreSQL, if the type has one.
    pub(super) collation: Option<String>,
}

/// The types of columns that are distinguished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Uuid,
    Integer,
    Boolean,
    Timestamptz,
    Timestamp,
    /// A time as text, on SQLite.
    TimeText,
    Json,
    Jsonb,
    TextArray,
    /// Any other type, by its name.
    Other(String),
}

impl Kind {
    pub(super) fn of<DB: Db>(name: &str) -> Self {
        let has = |part: &str| name.contains(part);
        if !DB::IS_POSTGRES {
            return match () {
                () if has("bool") => Self::Boolean,
                () if has("int") => Self::Integer,
                () if has("date") || has("time") => Self::TimeText,
                () if has("char") || has("clob") || has("text") || has("uuid") || has("json") => {
                    Self::Text
                }
                () => Self::Other(name.to_owned()),
            };
        }
        match name {
            "text" | "character varying" | "character" => Self::Text,
            "uuid" => Self::Uuid,
            "smallint" | "integer" | "bigint" => Self::Integer,
            "boolean" => Self::Boolean,
            "timestamp with time zone" => Self::Timestamptz,
            "timestamp without time zone" => Self::Timestamp,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "text[]" | "character varying[]" => Self::TextArray,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Integer => "an integer",
            Self::Boolean => "boolean",
            Self::Timestamptz | Self::Timestamp | Self::TimeText => "a time",
            Self::Json | Self::Jsonb => "JSON",
            Self::TextArray => "an array of text",
            Self::Other(name) => name,
        }
    }
}

/// Returns the types that a shape requires, for error messages.
pub(super) fn wants(shape: &Shape) -> &'static str {
    match shape {
        Shape::Id => "text, a UUID or an integer",
        Shape::Text | Shape::One | Shape::MessageText { .. } => "text",
        Shape::Moment => "a time or an integer",
        Shape::Flag | Shape::HasBeen | Shape::Active | Shape::Disabled => "a boolean",
        Shape::List => "JSON, text with JSON in it or an array of text",
        Shape::Map => "JSON, or text with JSON in it",
    }
}

/// Returns a text as an SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the expression that reads a column, given its quoted and qualified name; `None` if its
/// type cannot represent the shape.
pub(super) fn read<DB: Db>(shape: &Shape, column: &Column, name: &str) -> Option<String> {
    let json = if DB::IS_POSTGRES { "json_build_array" } else { "json_array" };
    let as_text = format!("CAST({name} AS TEXT)");
    Some(match (shape, &column.kind) {
        (Shape::Id | Shape::Text, Kind::Text) => name.to_owned(),
        (Shape::Id, Kind::Uuid | Kind::Integer) => as_text,
        // `citext` and other domains over text.
        (Shape::Text, Kind::Other(_)) if DB::IS_POSTGRES => as_text,
        (Shape::Moment, Kind::Integer) => format!("CAST({name} AS BIGINT)"),
        (Shape::Moment, Kind::Timestamptz | Kind::Timestamp) => {
            format!("CAST(ROUND(EXTRACT(EPOCH FROM {name}) * 1000) AS BIGINT)")
        }
        (Shape::Moment, Kind::TimeText) => {
            format!("CAST(ROUND((julianday({name}) - 2440587.5) * 86400000) AS INTEGER)")
        }
        (Shape::Flag, Kind::Boolean) => {
            format!("CAST(CASE WHEN {name} THEN 1 ELSE 0 END AS BIGINT)")
        }
        (Shape::Flag, Kind::Integer) => {
            format!("CAST(CASE WHEN {name} <> 0 THEN 1 ELSE 0 END AS BIGINT)")
        }
        (Shape::Active, Kind::Boolean) => {
            format!("CASE WHEN {name} THEN 'active' ELSE 'disabled' END")
        }
        (Shape::Active, Kind::Integer) => {
            format!("CASE WHEN {name} <> 0 THEN 'active' ELSE 'disabled' END")
        }
        (Shape::Disabled, Kind::Boolean) => {
            format!("CASE WHEN {name} THEN 'disabled' ELSE 'active' END")
        }
        (Shape::Disabled, Kind::Integer) => {
            format!("CASE WHEN {name} <> 0 THEN 'disabled' ELSE 'active' END")
        }
        (Shape::HasBeen, Kind::Boolean) => format!("CASE WHEN {name} THEN CAST(0 AS BIGINT) END"),
        (Shape::HasBeen, Kind::Integer) => {
            format!("CASE WHEN {name} <> 0 THEN CAST(0 AS BIGINT) END")
        }
        (Shape::List, Kind::TextArray) => {
            format!("COALESCE(CAST(array_to_json({name}) AS TEXT), '[]')")
        }
        (Shape::List, Kind::Text | Kind::Json | Kind::Jsonb) => {
            format!("COALESCE({as_text}, '[]')")
        }
        (Shape::One, Kind::Text | Kind::Other(_)) => format!(
            "CASE WHEN COALESCE({as_text}, '') = '' THEN '[]' ELSE CAST({json}({as_text}) AS TEXT) END"
        ),
        (Shape::Map, Kind::Text | Kind::Json | Kind::Jsonb) => {
            format!("COALESCE({as_text}, '{{}}')")
        }
        (Shape::MessageText { active, disabled }, Kind::Text | Kind::Other(_)) => format!(
            "CASE {as_text} WHEN {} THEN 'active' WHEN {} THEN 'disabled' ELSE 'other' END",
            literal(active),
            literal(disabled)
        ),
        _ => return None,
    })
}

/// Returns the expression that writes a parameter to a column.
pub(super) fn write<DB: Db>(shape: &Shape, column: &Column, parameter: &str) -> String {
    let cast = |text: String| match &column.kind {
        Kind::Uuid => format!("CAST({text} AS UUID)"),
        Kind::Json => format!("CAST({text} AS JSON)"),
        Kind::Jsonb => format!("CAST({text} AS JSONB)"),
        Kind::Other(name) if DB::IS_POSTGRES => format!("CAST({text} AS {name})"),
        _ => text,
    };
    let since = |kind: &str| {
        format!("{kind} 'epoch' + CAST({parameter} AS DOUBLE PRECISION) * INTERVAL '1 millisecond'")
    };
    match (shape, &column.kind) {
        (Shape::Moment, Kind::Timestamptz) => since("TIMESTAMPTZ"),
        (Shape::Moment, Kind::Timestamp) => since("TIMESTAMP"),
        (Shape::Moment, Kind::TimeText) => {
            format!("strftime('%Y-%m-%dT%H:%M:%fZ', {parameter} / 1000.0, 'unixepoch')")
        }
        (Shape::Flag, Kind::Boolean) => format!("({parameter} <> 0)"),
        (Shape::Active, Kind::Boolean) => format!("({parameter} = 'active')"),
        (Shape::Active, _) => {
            format!("(CASE {parameter} WHEN 'active' THEN 1 WHEN 'disabled' THEN 0 END)")
        }
        (Shape::Disabled, Kind::Boolean) => format!("({parameter} = 'disabled')"),
        (Shape::Disabled, _) => {
            format!("(CASE {parameter} WHEN 'disabled' THEN 1 WHEN 'active' THEN 0 END)")
        }
        (Shape::HasBeen, Kind::Boolean) => format!("({parameter} IS NOT NULL)"),
        (Shape::HasBeen, _) => format!("(CASE WHEN {parameter} IS NULL THEN 0 ELSE 1 END)"),
        (Shape::List, Kind::TextArray) => format!(
            "CASE WHEN {parameter} IS NOT NULL
            THEN ARRAY(SELECT jsonb_array_elements_text(CAST({parameter} AS JSONB))) END"
        ),
        (Shape::One, _) if DB::IS_POSTGRES => cast(format!("(CAST({parameter} AS JSONB) ->> 0)")),
        (Shape::One, _) => format!("json_extract({parameter}, '$[0]')"),
        (Shape::MessageText { active, disabled }, _) => cast(format!(
            "(CASE {parameter} WHEN 'active' THEN {} WHEN 'disabled' THEN {} END)",
            literal(active),
            literal(disabled)
        )),
        _ => cast(parameter.to_owned()),
    }
}

/// Replaces a missing value by an empty one if the column is `NOT NULL`.
pub(super) fn or_empty(shape: &Shape, column: &Column, written: String) -> String {
    let always_known =
        matches!(shape, Shape::Id | Shape::MessageText { .. } | Shape::Active | Shape::Disabled);
    if !column.not_null || always_known || matches!(column.kind, Kind::Other(_)) {
        return written;
    }
    let empty = match (shape, &column.kind) {
        (Shape::Flag | Shape::HasBeen, Kind::Boolean) => "FALSE",
        (Shape::Moment | Shape::Flag | Shape::HasBeen, _) => "0",
        (Shape::List, Kind::TextArray) | (Shape::Map, _) => "'{}'",
        (Shape::List, _) => "'[]'",
        _ => "''",
    };
    format!("COALESCE({written}, {empty})")
}
