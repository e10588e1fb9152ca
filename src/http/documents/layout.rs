//! What all pages of the documentation have around them. They can be read without any script; what a script adds (trying
//! things out) it puts where `data-part` says.

use maud::{DOCTYPE, Markup, html};

/// The pages, as they stand at the top of each: address and name.
const PAGES: [(&str, &str); 3] = [
    ("/docs", "REST"),
    ("/docs/protocol", "Protocol"),
    ("/docs/errors", "Errors"),
];

/// A page.
pub(super) struct Page {
    /// Where it is.
    pub address: &'static str,
    /// What it is called.
    pub title: String,
    /// What is in it.
    pub contents: Vec<Group>,
    /// Below the title.
    pub body: Markup,
}

/// A part of a page, in its contents.
pub(super) struct Group {
    /// Where it begins, without the `#`; none if it only holds its entries together.
    pub anchor: Option<String>,
    /// What it is called.
    pub title: String,
    /// What is in it.
    pub entries: Vec<Entry>,
}

/// A line of the contents.
pub(super) struct Entry {
    /// Where it leads, without the `#`.
    pub anchor: String,
    /// What it says.
    pub label: Markup,
}

impl Page {
    /// The page as HTML.
    pub fn render(&self) -> String {
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Greenroom" }
                    link rel="icon" href="/favicon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/web/app/styles/tokens.css";
                    link rel="stylesheet" href="/web/app/styles/base.css";
                    link rel="stylesheet" href="/web/docs/docs.css";
                    link rel="stylesheet" href="/web/docs/stage.css";
                    script src="/web/docs/theme.js" {}
                    script type="module" src="/web/docs/docs.js" {}
                }
                body class="docs" data-page=(self.address) {
                    a class="skip-link" href="#content" { "Skip to the content" }
                    (self.bar())
                    (self.contents())
                    main id="content" tabindex="-1" {
                        h1 { (self.title) }
                        (self.body)
                    }
                    div data-part="live" class="visually-hidden" role="status" {}
                }
            }
        };
        markup.into_string()
    }

    fn bar(&self) -> Markup {
        html! {
            header class="bar" {
                a class="brand" href="/" { img src="/favicon.svg" alt="" width="28" height="28"; span { "Greenroom" } }
                nav class="pages" aria-label="Documents" {
                    @for (address, name) in PAGES {
                        a href=(address) aria-current=[(address == self.address).then_some("page")] { (name) }
                    }
                }
                div class="bar-end" {
                    div data-part="settings" {}
                    button class="contents-button" type="button" popovertarget="contents" { "Contents" }
                }
            }
        }
    }

    /// On a wide screen it stays beside the page; on a narrow one it comes over it when asked for, which takes no script.
    fn contents(&self) -> Markup {
        html! {
            nav id="contents" class="contents" popover="" aria-label="Contents" {
                ul {
                    @for group in &self.contents {
                        li {
                            @match &group.anchor {
                                Some(anchor) => a class="group" href={ "#" (anchor) } { (group.title) },
                                None => p class="group" { (group.title) },
                            }
                            @if !group.entries.is_empty() {
                                ul {
                                    @for entry in &group.entries {
                                        li { a href={ "#" (entry.anchor) } { (entry.label) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// JSON to be read, with a name.
pub(super) fn json_figure(caption: &str, json: &serde_json::Value) -> Markup {
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    code_figure(caption, "json", &text)
}

/// Code to be read, with a name. It can be scrolled by keyboard.
pub(super) fn code_figure(caption: &str, language: &str, text: &str) -> Markup {
    html! {
        figure class="code" data-language=(language) {
            figcaption { (caption) }
            pre tabindex="0" aria-label=(caption) role="region" { code { (text) } }
        }
    }
}
