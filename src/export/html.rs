//! The document as one HTML page that needs nothing else: no script, no picture, nothing from the network. All texts are
//! escaped by the template, and a content security policy forbids whatever the template did not write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::document::{Content, Document, Draft, Origin, Page, Section};
use super::wording::Wording;

const STYLE: &str = include_str!("style.css");
/// A list whose items all have at most so many characters is set in one line, as words.
const WORD_CHARS_MAX: usize = 24;

/// Writes the page.
pub(super) fn page(document: &Document) -> String {
    let wording = document.wording;
    let style = style(document);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(&style))
    );
    let markup = html! {
        (DOCTYPE)
        html lang=(wording.language_tag) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (document.title) " · " (document.kind) @if document.simulated { " · " (wording.simulated) } }
                style { (PreEscaped(style)) }
            }
            body {
                @if document.simulated { (mark(wording, "mark top")) }
                div class="sheet" {
                    header {
                        p class="kind" { (document.kind) }
                        h1 dir="auto" { (document.title) }
                        p class="made" { (wording.made_at) " " (document.made_at) }
                    }
                    @if let Some(draft) = &document.draft { (draft_notice(wording, draft)) }
                    @if !document.flags.is_empty() {
                        aside class="notice" {
                            h2 { (wording.flags) }
                            ul { @for flag in &document.flags { li dir="auto" { (flag) } } }
                        }
                    }
                    (contents(document))
                    main { @for (number, section) in (1..).zip(&document.sections) { (section_of(number, section, wording)) } }
                    (footer(document))
                }
            }
        }
    };
    markup.into_string()
}

/// The sheet, and what a printed page says in its margin. Nothing in it was written by a user or a model.
fn style(document: &Document) -> String {
    let simulated = if document.simulated {
        format!(
            "@bottom-left {{ content: \"{}\"; color: #b3261e; font: 600 9pt sans-serif; }}",
            document.wording.simulated
        )
    } else {
        String::new()
    };
    format!(
        "{STYLE}@page {{ margin: 16mm 15mm 18mm; {simulated} \
         @bottom-right {{ content: counter(page) \" / \" counter(pages); color: #5b655f; font: 9pt sans-serif; }} }}\n"
    )
}

fn mark(wording: &Wording, class: &str) -> Markup {
    html! { p class=(class) role="note" { strong { (wording.simulated) } (wording.simulated_explained) } }
}

fn draft_notice(wording: &Wording, draft: &Draft) -> Markup {
    let line = |name: &str, slots: &[String]| {
        html! { @if !slots.is_empty() { p { strong { (name) } ": " (slots.join(", ")) } } }
    };
    html! {
        aside class="notice" {
            h2 { (wording.draft) }
            p { (wording.draft_explained) }
            (line(wording.gaps, &draft.gaps))
            (line(wording.unsure, &draft.unsure))
        }
    }
}

fn contents(document: &Document) -> Markup {
    html! {
        nav aria-label=(document.wording.contents) {
            ol {
                @for (number, section) in (1..).zip(&document.sections) {
                    li { a href=(format!("#part-{number}")) { (section.heading) } }
                }
            }
        }
    }
}

fn section_of(number: usize, section: &Section, wording: &Wording) -> Markup {
    html! {
        section id=(format!("part-{number}")) {
            h2 { (section.heading) }
            div class="body" {
                @match &section.content {
                    Content::Fields(fields) if !fields.iter().all(|(_, content)| content.is_short()) => {
                        @for (name, content) in fields {
                            div class="part" { h3 { (name) } (block(content, wording)) }
                        }
                    },
                    content => (block(content, wording)),
                }
            }
        }
    }
}

fn block(content: &Content, wording: &Wording) -> Markup {
    match content {
        Content::Nothing => html! { p class="none" { (wording.nothing) } },
        Content::Word(word) => html! { p { (word) } },
        Content::Text(text) => html! {
            div class="prose" { @for line in text.lines().filter(|line| !line.trim().is_empty()) { p dir="auto" { (line) } } }
        },
        Content::List(items) => {
            let is_words = items.iter().all(|item| item.chars().count() <= WORD_CHARS_MAX);
            html! {
                ul class=(if is_words { "words" } else { "plain" }) {
                    @for item in items { li dir="auto" { (item) } }
                }
            }
        }
        Content::Fields(fields) => html! {
            dl { @for (name, content) in fields { dt { (name) } dd { (block(content, wording)) } } }
        },
        Content::Table { columns, rows } => table(columns, rows, wording),
        Content::Pages(pages) => {
            html! { ul class="pages" { @for found in pages { (page_item(found, wording)) } } }
        }
    }
}

/// A table whose rows become cards on a narrow screen. Roles are named because such a layout takes them away.
fn table(columns: &[String], rows: &[Vec<Content>], wording: &Wording) -> Markup {
    html! {
        table class="rows" role="table" {
            thead role="rowgroup" { tr role="row" { @for name in columns { th scope="col" role="columnheader" { (name) } } } }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (name, content) in columns.iter().zip(row) {
                            td role="cell" class=[is_key(content).then_some("key")] data-label=(name) {
                                (cell(content, wording))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether a text is a name such as `option_1`, which is not to be broken.
fn is_one_word(text: &str) -> bool {
    text.chars().count() <= WORD_CHARS_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Whether a content is short enough to name its row.
fn is_key(content: &Content) -> bool {
    match content {
        Content::Word(text) | Content::Text(text) => text.chars().count() <= WORD_CHARS_MAX,
        Content::Nothing
        | Content::List(_)
        | Content::Fields(_)
        | Content::Table { .. }
        | Content::Pages(_) => false,
    }
}

fn cell(content: &Content, wording: &Wording) -> Markup {
    match content {
        Content::Nothing => html! { span class="none" { "–" } },
        Content::Word(word) => html! { span class="word" { (word) } },
        Content::Text(text) if is_one_word(text) => html! { span class="word" { (text) } },
        Content::Table { columns, rows } => html! {
            @for row in rows {
                dl { @for (name, content) in columns.iter().zip(row) { dt { (name) } dd { (cell(content, wording)) } } }
            }
        },
        Content::Text(_) | Content::List(_) | Content::Fields(_) | Content::Pages(_) => {
            block(content, wording)
        }
    }
}

fn page_item(page: &Page, wording: &Wording) -> Markup {
    html! {
        li {
            @if let Some(link) = &page.link {
                a class="name" href=(link) rel="noopener noreferrer" dir="auto" { (page.title) }
            } @else {
                span class="name" dir="auto" { (page.title) }
            }
            @if let Some(passage) = &page.passage { blockquote dir="auto" { (passage) } }
            p class="about" {
                @match page.link.as_ref().and_then(|link| link.host_str()) {
                    Some(host) => { span { (host) } },
                    None => { span { (page.address) } },
                }
                @if let Some(date) = &page.date { span { (date) } }
                @for (name, content) in &page.details {
                    @if let Content::Word(text) | Content::Text(text) = content { span dir="auto" { (name) ": " (text) } }
                }
            }
            @for (name, content) in &page.details {
                @if !matches!(content, Content::Word(_) | Content::Text(_) | Content::Nothing) {
                    dl { dt { (name) } dd { (block(content, wording)) } }
                }
            }
        }
    }
}

fn footer(document: &Document) -> Markup {
    let wording = document.wording;
    html! {
        footer {
            h2 { (wording.origins) }
            table class="rows" role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in [wording.part, wording.model, wording.attempt, wording.dropped] {
                            th scope="col" role="columnheader" { (name) }
                        }
                    }
                }
                tbody role="rowgroup" { @for origin in &document.origins { (origin_row(origin, wording)) } }
            }
            @if !document.files.is_empty() {
                h2 { (wording.files) }
                ul class="plain" { @for file in &document.files { li { a href=(file) { (file) } } } }
            }
            p { (wording.run) " " code { (document.run_id) } }
            @if document.simulated { (mark(wording, "mark")) }
        }
    }
}

fn origin_row(origin: &Origin, wording: &Wording) -> Markup {
    html! {
        tr role="row" {
            td role="cell" data-label=(wording.part) { (origin.part) }
            td role="cell" data-label=(wording.model) {
                (origin.model) @if origin.simulated { span class="small" { (wording.simulated) } }
            }
            td role="cell" data-label=(wording.attempt) { (origin.attempt) }
            td role="cell" data-label=(wording.dropped) { (origin.dropped) }
        }
    }
}
