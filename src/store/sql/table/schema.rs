//! Reads the schema of a table from the database.

use super::column::{Column, Kind};
use crate::store::{
    StoreError, UserTable, UserTableError,
    sql::{Db, db::Arg, pool::Connections},
};

/// The schema of a table.
pub(super) struct Schema {
    pub(super) columns: Vec<Column>,
    /// The indexed expressions of the unique indexes that have one column and no condition.
    unique: Vec<String>,
}

impl Schema {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn is_unique(&self, column: &str) -> bool {
        self.unique.iter().any(|of| of == column)
    }

    pub(super) fn is_unique_in_lower_case(&self, column: &str) -> bool {
        let lower = format!("lower({column})");
        self.unique.contains(&lower)
    }

    /// Returns `true` if the index lower-cases by the rules of `COLLATE "C"`, which are those of
    /// email addresses.
    pub(super) fn is_unique_in_c(&self, column: &str) -> bool {
        let lower = format!("lower({column}) in C");
        self.unique.contains(&lower)
    }
}

/// Quotes an identifier that requires no escaping.
pub(super) fn quoted(name: &str) -> Result<String, UserTableError> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if begins && name.len() < 64 && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(format!("\"{name}\""))
    } else {
        Err(UserTableError::Name(name.to_owned()))
    }
}

/// Quotes the name of a table, with its schema if it has one.
pub(super) fn quoted_table(name: &str) -> Result<String, UserTableError> {
    let parts: Vec<_> = name.split('.').collect();
    if parts.len() > 2 {
        return Err(UserTableError::Name(name.to_owned()));
    }
    let parts: Result<Vec<_>, _> = parts.into_iter().map(quoted).collect();
    Ok(parts?.join("."))
}

pub(super) async fn look<DB: Db>(
    connections: &Connections<DB>,
    table: &UserTable,
) -> Result<Schema, UserTableError> {
    let quoted = quoted_table(&table.name)?;
    let name = if DB::IS_POSTGRES { quoted } else { table.name.clone() };
    if name.contains("auth_") && super::super::migrate::is_ours(&table.name) {
        return Err(UserTableError::Ours(table.name.clone()));
    }
    let failed = |error| UserTableError::Store(StoreError::new(error));
    let args = || vec![Arg::from(name.as_str())];
    let sql = DB::pick(COLUMNS_SQLITE, COLUMNS_POSTGRES);
    let mut columns = Vec::new();
    for row in DB::fetch_all(connections.access(), sql.into(), args()).await.map_err(failed)? {
        let text = |at| DB::text(&row, at).map(|text| text.unwrap_or_default().to_owned());
        let flag = |at| DB::int(&row, at).map(|flag| flag == Some(1));
        columns.push(Column {
            name: text(0).map_err(failed)?,
            kind: Kind::of::<DB>(&text(1).map_err(failed)?),
            not_null: flag(2).map_err(failed)?,
            default: DB::text(&row, 3).map_err(failed)?.map(str::to_owned),
            generated: flag(4).map_err(failed)?,
            counted: flag(5).map_err(failed)?,
            collation: DB::text(&row, 6).map_err(failed)?.map(str::to_owned),
        });
    }
    if columns.is_empty() {
        return Err(UserTableError::NoTable(table.name.clone()));
    }
    let sql = DB::pick(UNIQUE_SQLITE, UNIQUE_POSTGRES);
    let mut unique = Vec::new();
    for row in DB::fetch_all(connections.access(), sql.into(), args()).await.map_err(failed)? {
        unique.extend(DB::text(&row, 0).map_err(failed)?.map(plain));
    }
    Ok(Schema { columns, unique })
}

/// Normalizes an indexed expression: removes quotes, casts, whitespace and redundant parentheses.
fn plain(expression: &str) -> String {
    let text: String =
        expression.chars().filter(|c| !c.is_whitespace() && !"\"`[]".contains(*c)).collect();
    let text = bare(&text);
    match text.strip_prefix("lower(").and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => {
            let in_c =
                inner.strip_suffix("COLLATEC").filter(|_| expression.contains("COLLATE \"C\""));
            let place = if in_c.is_some() { " in C" } else { "" };
            let inner = bare(in_c.unwrap_or(inner));
            let inner = inner.strip_suffix("::text").unwrap_or(inner);
            format!("lower({}){place}", bare(inner))
        }
        None => text.to_owned(),
    }
}

fn bare(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    inner.map_or(text, bare)
}

const COLUMNS_POSTGRES: &str = "SELECT CAST(a.attname AS TEXT), format_type(a.atttypid, NULL),
    CAST(CASE WHEN a.attnotnull THEN 1 ELSE 0 END AS BIGINT),
    pg_get_expr(d.adbin, d.adrelid),
    CAST(CASE WHEN a.attgenerated <> '' THEN 1 ELSE 0 END AS BIGINT),
    CAST(CASE WHEN a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
        THEN 1 ELSE 0 END AS BIGINT),
    (SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c
        JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation)
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

/// An `INTEGER` column that is the whole primary key is the row id, which SQLite generates.
const COLUMNS_SQLITE: &str = "SELECT name, lower(type), \"notnull\", dflt_value,
    CASE WHEN hidden IN (2, 3) THEN 1 ELSE 0 END,
    CASE WHEN pk = 1 AND upper(type) = 'INTEGER' AND (SELECT COUNT(*)
        FROM pragma_table_xinfo($1) WHERE pk > 0) = 1 THEN 1 ELSE 0 END, NULL
    FROM pragma_table_xinfo($1) ORDER BY cid";

const UNIQUE_POSTGRES: &str = "SELECT pg_get_indexdef(indexrelid, 1, true) FROM pg_index
    WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indpred IS NULL
    AND indnkeyatts = 1";

/// The name of the column, or the text in parentheses of an index on an expression.
const UNIQUE_SQLITE: &str = "SELECT COALESCE(MAX(x.name), (SELECT substr(m.sql, instr(m.sql, '('))
        FROM sqlite_master m WHERE m.type = 'index' AND m.name = l.name))
    FROM pragma_index_list($1) l, pragma_index_xinfo(l.name) x
    WHERE l.\"unique\" = 1 AND l.partial = 0 AND x.key = 1
    GROUP BY l.name HAVING COUNT(*) = 1
    UNION ALL
    SELECT name FROM pragma_table_xinfo($1)
    WHERE pk = 1 AND (SELECT COUNT(*) FROM pragma_table_xinfo($1) WHERE pk > 0) = 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_identifiers_are_rejected() {
        for name in ["mail", "Mail2", "_x"] {
            assert_eq!(quoted(name).unwrap(), format!("\"{name}\""));
        }
        for name in ["", "2x", "a b", "a\"b", "a;--", "a.b", "é", "a'", "x\0", &"x".repeat(64)] {
            assert!(quoted(name).is_err(), "{name:?}");
        }
        assert_eq!(quoted_table("app.accounts").unwrap(), "\"app\".\"accounts\"");
        assert!(quoted_table("a.b.c").is_err());
        assert!(quoted_table("a..b").is_err());
    }

    #[test]
    fn index_on_lower_is_recognized() {
        for text in [
            "lower(mail)",
            "lower((mail)::text)",
            "lower(mail::text)",
            "(lower(\"mail\"))",
            "( lower( mail ) )",
        ] {
            assert_eq!(plain(text), "lower(mail)", "{text}");
        }
        assert_eq!(plain("\"Mail\""), "Mail");
        for text in [r#"lower(mail COLLATE "C")"#, r#"lower(mail::text COLLATE "C")"#] {
            assert_eq!(plain(text), "lower(mail) in C", "{text}");
        }
        assert_eq!(plain(r#"lower("mailCOLLATEC")"#), "lower(mailCOLLATEC)");
        assert_ne!(plain("upper(mail)"), "lower(mail)");
        assert_ne!(plain("lower(mail || x)"), "lower(mail)");
    }
}
