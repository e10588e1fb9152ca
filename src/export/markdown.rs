//! The document as Markdown (`CommonMark` with tables), in which nothing that a user or a model wrote is markup.

use std::fmt::Write as _;

use super::document::{Content, Document, Draft, Page};
use super::wording::Wording;

/// Writes the text.
pub(super) fn text(document: &Document) -> String {
    let wording = document.wording;
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push_str("\n\n");
    };
    if document.simulated {
        line(&mark(wording));
    }
    line(&format!("# {}", inline(&document.title)));
    line(&format!(
        "{} · {} {}",
        inline(&document.kind),
        wording.made_at,
        document.made_at
    ));
    if let Some(draft) = &document.draft {
        line(&draft_notice(wording, draft));
    }
    if !document.flags.is_empty() {
        let flags = list(&document.flags);
        line(&format!("## {}\n\n{flags}", wording.flags));
    }
    for section in &document.sections {
        line(&format!("## {}", inline(&section.heading)));
        match &section.content {
            Content::Fields(fields) if !fields.iter().all(|(_, content)| content.is_short()) => {
                for (name, content) in fields {
                    line(&format!("### {}", inline(name)));
                    line(&block(content, wording));
                }
            }
            content => line(&block(content, wording)),
        }
    }
    line(&origins(document));
    line(&format!("{} `{}`", wording.run, document.run_id));
    if document.simulated {
        line(&mark(wording));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn mark(wording: &Wording) -> String {
    format!("> **{}** {}", wording.simulated, wording.simulated_explained)
}

fn draft_notice(wording: &Wording, draft: &Draft) -> String {
    let mut text = format!("> **{}** {}", wording.draft, wording.draft_explained);
    for (name, slots) in [(wording.gaps, &draft.gaps), (wording.unsure, &draft.unsure)] {
        if !slots.is_empty() {
            let _ = write!(text, "\n>\n> {name}: {}", inline(&slots.join(", ")));
        }
    }
    text
}

fn origins(document: &Document) -> String {
    let wording = document.wording;
    let rows = document.origins.iter().map(|origin| {
        let simulated = if origin.simulated {
            format!(" ({})", wording.simulated)
        } else {
            String::new()
        };
        vec![
            inline(&origin.part),
            inline(&origin.model) + &simulated,
            origin.attempt.to_string(),
            origin.dropped.to_string(),
        ]
    });
    let heading = [wording.part, wording.model, wording.attempt, wording.dropped].map(str::to_owned);
    format!("## {}\n\n{}", wording.origins, grid(&heading, rows))
}

fn block(content: &Content, wording: &Wording) -> String {
    match content {
        Content::Nothing => format!("*{}*", wording.nothing),
        Content::Word(text) | Content::Text(text) => paragraph(text),
        Content::List(items) => list(items),
        Content::Fields(fields) => {
            let item =
                |(name, content): &(String, Content)| format!("- **{}**: {}", inline(name), cell(content));
            fields.iter().map(item).collect::<Vec<_>>().join("\n")
        }
        Content::Table { columns, rows } => {
            let heading: Vec<String> = columns.iter().map(|name| inline(name)).collect();
            grid(&heading, rows.iter().map(|row| row.iter().map(cell).collect()))
        }
        Content::Pages(pages) => pages.iter().map(page).collect::<Vec<_>>().join("\n"),
    }
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("- {}", inline(item)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn page(page: &Page) -> String {
    let mut text = match &page.link {
        // An address within angle brackets may hold anything but these and white space, which no `Url` holds.
        Some(link) => format!("- [{}](<{link}>)", inline(&page.title)),
        None => format!("- {} ({})", inline(&page.title), inline(&page.address)),
    };
    let host = page.link.as_ref().and_then(|link| link.host_str()).map(inline);
    for about in [host, page.date.as_deref().map(inline)].into_iter().flatten() {
        let _ = write!(text, " · {about}");
    }
    for (name, content) in &page.details {
        let _ = write!(text, " · {}: {}", inline(name), cell(content));
    }
    if let Some(passage) = &page.passage {
        let _ = write!(text, "\n  > {}", inline(passage));
    }
    text
}

fn grid(heading: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule: Vec<String> = heading.iter().map(|_| "---".to_owned()).collect();
    let mut lines = vec![line(heading), line(&rule)];
    lines.extend(rows.map(|row| line(&row)));
    lines.join("\n")
}

/// In one line, for a cell or an item.
fn cell(content: &Content) -> String {
    match content {
        Content::Nothing => "–".to_owned(),
        Content::Word(text) | Content::Text(text) => inline(text),
        Content::List(items) => inline(&items.join(", ")),
        Content::Fields(fields) => {
            let field = |(name, content): &(String, Content)| format!("{}: {}", inline(name), cell(content));
            fields.iter().map(field).collect::<Vec<_>>().join("; ")
        }
        Content::Table { columns, rows } => {
            let row = |row: &Vec<Content>| {
                let cells = columns.iter().zip(row);
                let cells = cells.map(|(name, content)| format!("{}: {}", inline(name), cell(content)));
                cells.collect::<Vec<_>>().join(", ")
            };
            rows.iter().map(row).collect::<Vec<_>>().join("; ")
        }
        Content::Pages(pages) => pages
            .iter()
            .map(|page| inline(&page.title))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Prose; its own line breaks stay.
fn paragraph(text: &str) -> String {
    let lines = text.lines().map(inline).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\\\n")
}

/// A text in one line, in which every letter stands for itself.
fn inline(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut number_so_far = true;
    while let Some(letter) = letters.next() {
        let begins = escaped.is_empty();
        let next = letters.peek().copied();
        let followed_by = |wanted: char| next.is_none_or(|next| next == wanted);
        let is_markup = match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '@' | '$' | '^' => true,
            // Would begin a list, or underline a heading.
            '-' | '+' | '=' => begins,
            '.' | ')' => (number_so_far && !begins && followed_by(' ')) || escaped.ends_with("www"),
            // Would make an address of it.
            ':' => next == Some('/'),
            '!' => next == Some('['),
            _ => false,
        };
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(letter);
        number_so_far &= letter.is_ascii_digit();
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_written_is_markup() {
        for (text, escaped) in [
            ("", ""),
            ("plain 글, 1.5 (a) 100% - b + c", "plain 글, 1.5 (a) 100% - b + c"),
            ("# no heading", "\\# no heading"),
            ("- no item", "\\- no item"),
            ("12. no item", "12\\. no item"),
            ("12) no item", "12\\) no item"),
            ("=== no underline", "\\=== no underline"),
            ("> no quote", "\\> no quote"),
            ("*a* _b_ `c` ~~d~~", "\\*a\\* \\_b\\_ \\`c\\` \\~\\~d\\~\\~"),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("[a](javascript:b) ![c](d)", "\\[a\\](javascript:b) \\!\\[c\\](d)"),
            ("a | b", "a \\| b"),
            ("&lt; ]]>", "\\&lt; \\]\\]\\>"),
            (
                "https://evil.example www.evil.example a@b.example",
                "https\\://evil.example www\\.evil.example a\\@b.example",
            ),
            ("a\n# b", "a \\# b"),
            ("back\\slash", "back\\\\slash"),
        ] {
            assert_eq!(inline(text), escaped, "{text}");
        }
    }

    #[test]
    fn prose_keeps_its_lines() {
        assert_eq!(paragraph("a\n\n- b\n"), "a\\\n\\- b");
    }
}
