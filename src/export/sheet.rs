//! A list of objects as a sheet for spreadsheet programs: CSV as RFC 4180 has it, made harmless.

use serde_json::{Map, Value};

use super::content::clean;

/// Without it, spreadsheet programs take UTF-8 for something else, and Korean for noise.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// What makes a spreadsheet program compute a cell, the wide forms of East Asian keyboards included.
const FORMULA_STARTS: [char; 10] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '|'];

/// The sheet of a list of objects, with a heading of their fields' names; none if it is no such list, or empty.
pub(super) fn csv(items: &Value) -> Option<String> {
    let rows: Vec<&Map<String, Value>> = items
        .as_array()?
        .iter()
        .map(Value::as_object)
        .collect::<Option<_>>()?;
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return None;
    }
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    writer
        .write_record(columns.iter().map(|name| harmless(name)))
        .ok()?;
    for row in rows {
        let cells = columns.iter().map(|name| harmless(&cell(row.get(*name))));
        writer.write_record(cells).ok()?;
    }
    let bytes = writer.into_inner().ok()?;
    Some(BYTE_ORDER_MARK.to_owned() + &String::from_utf8(bytes).ok()?)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| cell(Some(item)))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}

/// A cell that no spreadsheet program takes for a formula: an apostrophe in front of it says that it is text.
fn harmless(cell: &str) -> String {
    if cell.trim_start().starts_with(FORMULA_STARTS) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_text() {
        let sheet = csv(&json!([
            { "headline": "=HYPERLINK(\"https://evil.example\")", "body": "a, \"b\"\nc", "n": 1 },
            { "headline": " @SUM(1)", "body": null, "tags": ["x", "y"] },
            { "headline": "＝1", "body": "평범한 글" },
        ]));
        assert_eq!(
            sheet.unwrap(),
            "\u{feff}\"headline\",\"body\",\"n\",\"tags\"\r\n\
             \"'=HYPERLINK(\"\"https://evil.example\"\")\",\"a, \"\"b\"\"\nc\",\"1\",\"\"\r\n\
             \"'@SUM(1)\",\"\",\"\",\"x, y\"\r\n\
             \"'＝1\",\"평범한 글\",\"\",\"\"\r\n"
        );
    }

    #[test]
    fn what_is_no_list_of_objects_is_no_sheet() {
        for items in [
            json!([]),
            json!("x"),
            json!([{}]),
            json!([{ "a": 1 }, "b"]),
            Value::Null,
        ] {
            assert_eq!(csv(&items), None, "{items}");
        }
    }
}
