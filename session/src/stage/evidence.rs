//! The pages that evidence may rest on: those that a search of the run really returned.

use std::collections::BTreeMap;

use greenroom_protocol::SupportingSource;
use url::Url;

use crate::ports::SearchSource;

/// Characters of a page's title that are kept.
const TITLE_CHARS_MAX: usize = 300;
/// Characters of a passage that are kept: a paragraph, not the page.
const PASSAGE_CHARS_MAX: usize = 1_000;
/// Query parameters that say by which way somebody came, never which page it is.
const TRACKING_PREFIX: &str = "utm_";

/// What a page is recognised by, however its address is spelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PageKey(String);

/// The pages that searches returned.
#[derive(Debug, Default)]
pub(super) struct Pages(BTreeMap<PageKey, SupportingSource>);

impl PageKey {
    /// The page at an address; none for what is no plain `https` address.
    ///
    /// Case of the host, the default port, a trailing slash, the fragment and tracking parameters make no difference.
    pub(super) fn of(address: &str) -> Option<Self> {
        let mut url = Url::parse(address.trim()).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || !is_plain {
            return None;
        }
        url.set_fragment(None);
        let query = url
            .query()
            .map(without_tracking)
            .filter(|query| !query.is_empty());
        url.set_query(query.as_deref());
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(Self(url.into()))
    }
}

impl Pages {
    pub(super) fn of(sources: &[SearchSource]) -> Self {
        let mut pages = Self::default();
        for source in sources {
            pages.add(source);
        }
        pages
    }

    /// A search returned this. What a page's first mention did not say, a later one may add.
    pub(super) fn add(&mut self, source: &SearchSource) {
        let Some(key) = PageKey::of(&source.url) else {
            return;
        };
        let page = self.0.entry(key).or_insert_with(|| SupportingSource {
            url: source.url.trim().to_owned(),
            title: None,
            passage: None,
        });
        page.title = page
            .title
            .take()
            .or_else(|| told(source.title.as_deref(), TITLE_CHARS_MAX));
        page.passage = page
            .passage
            .take()
            .or_else(|| told(source.passage.as_deref(), PASSAGE_CHARS_MAX));
    }

    pub(super) fn get(&self, key: &PageKey) -> Option<&SupportingSource> {
        self.0.get(key)
    }
}

/// Whether two addresses lead to the same page, however each is spelled. Evidence keeps the spelling of who wrote it, a
/// search result that of the search.
pub fn is_same_page(one: &str, other: &str) -> bool {
    one == other || PageKey::of(one).is_some_and(|key| PageKey::of(other) == Some(key))
}

fn without_tracking(query: &str) -> String {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.to_ascii_lowercase().starts_with(TRACKING_PREFIX))
        .collect();
    kept.join("&")
}

/// A text that says something, cut to what is kept of it.
fn told(text: Option<&str>, chars_max: usize) -> Option<String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    Some(text.chars().take(chars_max).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str, title: Option<&str>, passage: Option<&str>) -> SearchSource {
        SearchSource {
            url: url.to_owned(),
            title: title.map(str::to_owned),
            passage: passage.map(str::to_owned),
        }
    }

    #[test]
    fn a_page_is_the_same_however_its_address_is_spelled() {
        for (one, other, same) in [
            (
                "https://example.com/a",
                "https://EXAMPLE.com/a/?utm_source=x#y",
                true,
            ),
            ("https://example.com/a", "https://example.com/b", false),
            ("http://example.com/a", "http://example.com/a", true),
            ("http://example.com/a", "https://example.com/a", false),
            ("", "https://example.com/a", false),
        ] {
            assert_eq!(is_same_page(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn spellings_of_one_address_are_one_page() {
        let page = PageKey::of("https://news.example/serum").expect("a page");
        for same in [
            "https://NEWS.example/serum",
            "HTTPS://news.example/serum",
            "https://news.example:443/serum",
            "https://news.example/serum/",
            "https://news.example/serum#top",
            "https://news.example/serum?utm_source=openai",
            "https://news.example/serum/?utm_source=a&UTM_medium=b#top",
            " https://news.example/serum ",
        ] {
            assert_eq!(PageKey::of(same).as_ref(), Some(&page), "{same}");
        }
        let queried = PageKey::of("https://news.example/serum?id=1");
        assert_eq!(
            PageKey::of("https://news.example/serum?utm_campaign=x&id=1"),
            queried
        );
        assert_eq!(
            PageKey::of("https://news.example/세럼"),
            PageKey::of("https://news.example/%EC%84%B8%EB%9F%BC")
        );
    }

    #[test]
    fn other_addresses_are_other_pages() {
        let page = PageKey::of("https://news.example/serum");
        for other in [
            "https://news.example/Serum",
            "https://news.example:8443/serum",
            "https://www.news.example/serum",
            "https://news.example/serum?id=1",
            "https://news.example/serum/2",
            "https://news.example.evil/serum",
        ] {
            assert_ne!(PageKey::of(other), page, "{other}");
            assert!(PageKey::of(other).is_some(), "{other}");
        }
    }

    #[test]
    fn only_plain_https_is_a_page() {
        for address in [
            "http://news.example/serum",
            "https://news.example@evil.example/serum",
            "https://user:secret@news.example/serum",
            "javascript:alert(1)",
            "//news.example/serum",
            "news.example/serum",
            "https://",
            "",
        ] {
            assert_eq!(PageKey::of(address), None, "{address}");
        }
    }

    #[test]
    fn mentions_of_a_page_are_merged_and_cut() {
        let long = "가".repeat(5_000);
        let pages = Pages::of(&[
            source("https://news.example/a?utm_source=openai", None, Some("  ")),
            source("http://news.example/b", Some("plain"), None),
            source("https://news.example/a/", Some("Title"), None),
            source("https://NEWS.example/a", Some("Another"), Some(&long)),
        ]);
        let page = pages
            .get(&PageKey::of("https://news.example/a").expect("a page"))
            .expect("known");
        assert_eq!(
            page.url, "https://news.example/a?utm_source=openai",
            "as the search spelled it first"
        );
        assert_eq!(page.title.as_deref(), Some("Title"));
        assert_eq!(
            page.passage.as_ref().map(|text| text.chars().count()),
            Some(PASSAGE_CHARS_MAX)
        );
        assert_eq!(pages.0.len(), 1, "plain http is never a page");
    }
}
