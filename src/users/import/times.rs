//! The notations of times in exports.

use jiff::Timestamp;
use serde_json::Value;

/// A number above this is in milliseconds: in seconds it would be after the year 5000.
const SECONDS_MOST: i64 = 100_000_000_000;

/// Parses a number of seconds or milliseconds since 1970, RFC 3339, or a time of SQL. A time without
/// a zone is in UTC.
pub(super) fn parse(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => unix(number.as_i64().or_else(|| whole(number.as_f64()?))?),
        Value::String(text) => of_text(text.trim()),
        // The extended JSON of MongoDB.
        Value::Object(members) => parse(members.get("$date")?),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the number was compared with the bounds")]
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 1e15).then_some(number as i64)
}

fn unix(number: i64) -> Option<Timestamp> {
    match number.abs() > SECONDS_MOST {
        true => Timestamp::from_millisecond(number).ok(),
        false => Timestamp::from_second(number).ok(),
    }
}

fn of_text(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse() {
        return unix(number);
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    // PostgreSQL writes `+00`, which jiff accepts; SQL Server puts a space before the offset.
    let joined = text.replace(" +", "+");
    joined.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn notations_of_the_sources_are_parsed() {
        let expected: Timestamp = "2024-02-29T12:30:00Z".parse().unwrap();
        for value in [
            json!(1_709_209_800),
            json!(1_709_209_800_000_i64),
            json!(1_709_209_800.0),
            json!("1709209800000"),
            json!("2024-02-29T12:30:00.000Z"),
            json!("2024-02-29T13:30:00+01:00"),
            json!("2024-02-29 12:30:00+00"),
            json!("2024-02-29 12:30:00+00:00"),
            json!("2024-02-29 12:30:00"),
            json!("2024-02-29T12:30:00.0000000"),
            json!("2024-02-29 12:30:00.0000000 +00:00"),
            json!({ "$date": "2024-02-29T12:30:00.000Z" }),
        ] {
            assert_eq!(parse(&value), Some(expected), "{value}");
        }
        for value in
            [json!(null), json!("0000-00-00 00:00:00"), json!(""), json!("now"), json!(true)]
        {
            assert_eq!(parse(&value), None, "{value}");
        }
    }
}
