//! The preferences of a client in `Accept` and `Accept-Language`.

/// The maximum number of members that are read.
const MAX_MEMBERS: usize = 16;

/// Returns the members of a header with weights, best first; those of the same weight in their
/// order (RFC 9110 §12.4.2). A member with weight 0, or with an invalid one, is left out.
pub(crate) fn preferred(header: &str) -> Vec<&str> {
    let mut weighted: Vec<_> = header
        .split(',')
        .take(MAX_MEMBERS)
        .filter_map(|member| {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let mut weights = parameters.split(';').filter_map(|own| own.trim().strip_prefix("q="));
            let weight =
                weights.next().map_or(Some(1.0), |text| text.trim().parse::<f64>().ok())?;
            let is_valid = weight > 0.0 && weight <= 1.0;
            is_valid.then_some((weight, name.trim()))
        })
        .collect();
    weighted.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    weighted.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_ordered_by_weight() {
        for (header, expected) in [
            ("", vec![""]),
            ("a, b", vec!["a", "b"]),
            ("a;q=0.1, b;q=0.9", vec!["b", "a"]),
            ("a;q=0, b;q=2, c;q=x, d;q=-1, e;q=NaN", vec![]),
            ("text/html;level=1;q=0.5, application/json", vec!["application/json", "text/html"]),
        ] {
            assert_eq!(preferred(header), expected, "{header}");
        }
        assert_eq!(preferred(&"a,".repeat(40)).len(), MAX_MEMBERS);
    }
}
