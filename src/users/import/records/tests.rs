//! Tests of reading records.

use super::*;

async fn records(text: &[u8], is_document: bool) -> Vec<(u64, String)> {
    // A small buffer, so that records cross its boundaries.
    let input = tokio::io::BufReader::with_capacity(7, text);
    let mut records = Records::new(input, is_document);
    let (mut all, mut record) = (Vec::new(), Vec::new());
    while let Some(number) = records.next(&mut record).await.unwrap() {
        let text = String::from_utf8_lossy(&record).trim().to_owned();
        all.push((number, text.chars().take(60).collect()));
    }
    all
}

fn numbered(all: &[(u64, &str)]) -> Vec<(u64, String)> {
    all.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
}

#[tokio::test]
async fn lines_arrays_and_documents_have_the_same_records() {
    let (one, two) = (r#"{"a":"]},\"{[","users":[1]}"#, r#"{"b":{"c":["\\"]}}"#);
    let expected = numbered(&[(1, one), (2, two)]);
    for (text, is_document) in [
        (format!("{one}\n{two}\n"), false),
        (format!("[{one},{two}]"), false),
        (format!("\u{feff} [ {one} ,\n {two} ]\n"), true),
        (
            format!(
                "{{\"realm\":\"users\",\"x\":{{\"users\":[9]}},\"users\":[{one},\n{two}],\"y\":[3]}}"
            ),
            true,
        ),
    ] {
        assert_eq!(records(text.as_bytes(), is_document).await, expected, "{text}");
    }
}

#[tokio::test]
async fn number_of_a_line_counts_empty_lines() {
    assert_eq!(records(b"\n\n{}\n\n{}", false).await, numbered(&[(3, "{}"), (4, ""), (5, "{}")]));
    assert_eq!(records(b"", false).await, []);
    assert_eq!(records(b"[]", true).await, []);
}

#[tokio::test]
async fn incomplete_or_strange_elements_are_records() {
    let all = records(br#"[1, "x,y", , {"a":1}}, {"b""#, false).await;
    let texts: Vec<&str> = all.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["1", "\"x,y\"", "", "{\"a\":1}}", "{\"b\""]);
}

#[tokio::test]
async fn long_element_does_not_end_the_file() {
    let text = format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(3 << 20));
    let mut records = Records::new(text.as_bytes(), false);
    let mut record = Vec::new();
    assert_eq!(records.next(&mut record).await.unwrap(), Some(1));
    assert_eq!(record.len() as u64, LONGEST + 1);
    assert_eq!(records.next(&mut record).await.unwrap(), Some(2));
    assert_eq!(record, b"{\"b\":1}");
    assert_eq!(records.next(&mut record).await.unwrap(), None);
}

#[tokio::test]
async fn document_without_users_is_an_error() {
    let mut records = Records::new(&b"{\"realm\":\"x\"}"[..], true);
    assert!(records.next(&mut Vec::new()).await.is_err());
}
