//! Markdown as HTML that can be linked to: every heading has an anchor, every row of an error's table too, and what is
//! named in code leads to where it is described.

use std::collections::BTreeSet;

use greenroom_protocol::ErrorCode;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A document, rendered.
pub(super) struct Prose {
    /// Its first heading, which is not in the body.
    pub title: String,
    /// What is in it: the headings of the second level, with their anchors.
    pub sections: Vec<Section>,
    /// Everything below the title.
    pub body: Markup,
}

/// A heading that can be linked to.
pub(super) struct Section {
    /// Its anchor, without the `#`.
    pub anchor: String,
    /// Its words.
    pub title: String,
}

/// Renders a document. `target` says where something named in code is described, if it is described anywhere.
pub(super) fn document(markdown: &str, target: &dyn Fn(&str) -> Option<String>) -> Prose {
    let mut writer = Writer {
        target,
        anchors: BTreeSet::new(),
        title: String::new(),
        sections: Vec::new(),
        written: Vec::new(),
        within_link: false,
    };
    let mut events = Parser::new_ext(markdown, Options::ENABLE_TABLES);
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let inside = until_end(&mut events, |end| matches!(end, TagEnd::Heading(_)));
                writer.heading(level, inside);
            }
            Event::Start(Tag::Table(_)) => {
                let inside = until_end(&mut events, |end| *end == TagEnd::Table);
                writer.table(&inside);
            }
            other => writer.inline(other),
        }
    }
    let mut body = String::new();
    pulldown_cmark::html::push_html(&mut body, writer.written.into_iter());
    Prose {
        title: writer.title,
        sections: writer.sections,
        body: PreEscaped(body),
    }
}

/// Renders a text of a sentence or two, such as a description in a schema.
pub(super) fn description(markdown: &str, target: &dyn Fn(&str) -> Option<String>) -> Markup {
    document(markdown, target).body
}

/// The anchor of a heading: its words, lowercase, joined by hyphens.
fn anchor_of(title: &str) -> String {
    let words = title.split(|character: char| !character.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_lowercase()
}

/// Pages of this server in the place of files of the repository.
fn page_of(link: &str) -> Option<&'static str> {
    match link {
        "protocol.md" | "docs/protocol.md" => Some("/docs/protocol"),
        "errors.md" | "docs/errors.md" => Some("/docs/errors"),
        "protocol.schema.json" => Some("/docs/protocol.schema.json"),
        "/docs" => Some("/docs"),
        "/openapi.json" => Some("/openapi.json"),
        _ => None,
    }
}

/// The events up to the end of what was begun.
fn until_end<'a>(events: &mut Parser<'a>, is_end: impl Fn(&TagEnd) -> bool) -> Vec<Event<'a>> {
    events
        .take_while(|event| !matches!(event, Event::End(end) if is_end(end)))
        .collect()
}

fn words_of(events: &[Event<'_>]) -> String {
    let words = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        _ => None,
    });
    words.collect()
}

struct Writer<'a, 't> {
    target: &'t dyn Fn(&str) -> Option<String>,
    anchors: BTreeSet<String>,
    title: String,
    sections: Vec<Section>,
    written: Vec<Event<'a>>,
    /// A link may hold code, and no other link.
    within_link: bool,
}

impl<'a> Writer<'a, '_> {
    fn html(&mut self, markup: String) {
        self.written.push(Event::Html(CowStr::from(markup)));
    }

    fn inline(&mut self, event: Event<'a>) {
        match event {
            Event::Code(code) if !self.within_link => {
                match page_of(&code).map(str::to_owned).or_else(|| (self.target)(&code)) {
                    Some(address) => {
                        let link = html! { a href=(address) { code { (code.as_ref()) } } };
                        self.written
                            .push(Event::InlineHtml(CowStr::from(link.into_string())));
                    }
                    None => self.written.push(Event::Code(code)),
                }
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                self.within_link = true;
                let dest_url = page_of(&dest_url).map_or(dest_url, CowStr::from);
                self.written.push(Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                }));
            }
            Event::End(TagEnd::Link) => {
                self.within_link = false;
                self.written.push(event);
            }
            // Our documents have none; what is in them that looks like it is meant to be read.
            Event::Html(text) | Event::InlineHtml(text) => self.written.push(Event::Text(text)),
            other => self.written.push(other),
        }
    }

    fn heading(&mut self, level: HeadingLevel, inside: Vec<Event<'a>>) {
        let title = words_of(&inside);
        if level == HeadingLevel::H1 {
            self.title = title;
            return;
        }
        let anchor = self.unique(anchor_of(&title));
        self.html(format!(
            "<{level} id=\"{anchor}\"><a class=\"anchor\" href=\"#{anchor}\">"
        ));
        self.written.extend(inside);
        self.html(format!("</a></{level}>"));
        if level == HeadingLevel::H2 {
            self.sections.push(Section { anchor, title });
        }
    }

    fn unique(&mut self, wanted: String) -> String {
        let numbered = (2_u32..).map(|number| format!("{wanted}-{number}"));
        let free = std::iter::once(wanted.clone())
            .chain(numbered)
            .find(|anchor| !self.anchors.contains(anchor))
            .unwrap_or(wanted);
        self.anchors.insert(free.clone());
        free
    }

    /// A table whose cells know their column, so that a narrow screen can show each row as a card. The roles are said
    /// because a browser forgets them where a style makes a table something else.
    fn table(&mut self, inside: &[Event<'a>]) {
        let mut columns: Vec<String> = Vec::new();
        let mut column = 0;
        let mut in_head = false;
        self.html("<table role=\"table\">\n".to_owned());
        for (index, event) in inside.iter().enumerate() {
            match event {
                Event::Start(Tag::TableHead) => {
                    in_head = true;
                    self.html("<thead role=\"rowgroup\"><tr role=\"row\">".to_owned());
                }
                Event::End(TagEnd::TableHead) => {
                    in_head = false;
                    self.html("</tr></thead>\n<tbody role=\"rowgroup\">".to_owned());
                }
                Event::Start(Tag::TableRow) => {
                    column = 0;
                    let anchor = self.row_anchor(&inside[index..]);
                    self.html(match anchor {
                        Some(anchor) => format!("<tr role=\"row\" id=\"{anchor}\">"),
                        None => "<tr role=\"row\">".to_owned(),
                    });
                }
                Event::End(TagEnd::TableRow) => self.html("</tr>\n".to_owned()),
                Event::Start(Tag::TableCell) if in_head => {
                    let cell = inside[index..].split(|event| *event == Event::End(TagEnd::TableCell));
                    columns.extend(cell.take(1).map(words_of));
                    self.html("<th role=\"columnheader\" scope=\"col\">".to_owned());
                }
                Event::Start(Tag::TableCell) => {
                    let label = columns.get(column).map_or("", String::as_str);
                    let opening = html! { td role="cell" data-column=(label) lang=[language_of(label)] { } };
                    let opening = opening.into_string();
                    self.html(opening.trim_end_matches("</td>").to_owned());
                    column += 1;
                }
                Event::End(TagEnd::TableCell) => {
                    self.html(if in_head { "</th>" } else { "</td>" }.to_owned());
                }
                other => self.inline(other.clone()),
            }
        }
        self.html("</tbody></table>\n".to_owned());
    }

    /// A row that begins with an error's code is where links to that code lead.
    fn row_anchor(&mut self, row: &[Event<'a>]) -> Option<String> {
        let first = row.get(2)?;
        let Event::Code(code) = first else { return None };
        let known = ErrorCode::ALL.iter().any(|known| known.as_str() == code.as_ref());
        let fresh = known && self.anchors.insert(code.to_string());
        fresh.then(|| code.to_string())
    }
}

/// Columns whose header names a language are in it.
fn language_of(column: &str) -> Option<&'static str> {
    column.ends_with("(ko)").then_some("ko")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html_of(markdown: &str) -> String {
        let target = |code: &str| (code == "pong").then(|| "#signal-pong".to_owned());
        document(markdown, &target).body.into_string()
    }

    #[test]
    fn headings_have_anchors_of_their_own() {
        let prose = document("# Title\n\n## Two words\n\n## Two words\n\n### `x`: y\n", &|_| {
            None
        });
        let anchors: Vec<_> = prose
            .sections
            .iter()
            .map(|section| section.anchor.as_str())
            .collect();
        assert_eq!(
            (prose.title.as_str(), anchors),
            ("Title", vec!["two-words", "two-words-2"])
        );
        let body = prose.body.into_string();
        assert!(
            body.contains("<h3 id=\"x-y\"><a class=\"anchor\" href=\"#x-y\"><code>x</code>: y</a></h3>"),
            "{body}"
        );
        assert!(!body.contains("Title"), "{body}");
    }

    #[test]
    fn what_is_named_leads_to_where_it_is_described() {
        assert_eq!(
            html_of("`pong` and `ping`"),
            "<p><a href=\"#signal-pong\"><code>pong</code></a> and <code>ping</code></p>\n"
        );
        assert_eq!(
            html_of("[`pong`](errors.md), `docs/protocol.md`"),
            "<p><a href=\"/docs/errors\"><code>pong</code></a>, <a href=\"/docs/protocol\"><code>docs/protocol.md</code></a></p>\n"
        );
    }

    #[test]
    fn cells_know_their_column_and_rows_of_errors_their_code() {
        let html =
            html_of("| code | message (ko) |\n|---|---|\n| `SYS_INTERNAL` | 오류 |\n| `other` | <b> |\n");
        assert!(html.contains("<tr role=\"row\" id=\"SYS_INTERNAL\">"), "{html}");
        assert!(
            html.contains("<td role=\"cell\" data-column=\"message (ko)\" lang=\"ko\">오류</td>"),
            "{html}"
        );
        assert!(
            html.contains("<tr role=\"row\"><td role=\"cell\" data-column=\"code\"><code>other"),
            "{html}"
        );
        assert!(html.contains("&lt;b&gt;"), "{html}");
    }
}
