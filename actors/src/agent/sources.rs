//! What searches returned during one call, each page once.

use greenroom_session::ports::SearchSource;

/// Pages of one call that are kept; evidence that names a later one does not count.
const SOURCES_MAX: usize = 500;

/// The pages in the order in which they were found.
#[derive(Default)]
pub(super) struct Sources(Vec<SearchSource>);

impl Sources {
    /// Takes what a search returned and answers with what is known of that page now; none if there are too many.
    ///
    /// A page is told again when its title or its passage is known. What was said of it first stays: who reads along
    /// has seen it.
    pub(super) fn take(&mut self, source: SearchSource) -> Option<&SearchSource> {
        let place = self.0.iter().position(|known| known.url == source.url);
        let place = match place {
            Some(place) => {
                let known = &mut self.0[place];
                known.title = known.title.take().or(source.title);
                known.passage = known.passage.take().or(source.passage);
                place
            }
            None if self.0.len() < SOURCES_MAX => {
                self.0.push(source);
                self.0.len() - 1
            }
            None => return None,
        };
        self.0.get(place)
    }

    pub(super) fn into_vec(self) -> Vec<SearchSource> {
        self.0
    }
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
    fn a_page_that_is_told_of_again_is_one_source_with_all_that_is_known() {
        let mut sources = Sources::default();
        for (told, known) in [
            (source("a", None, None), source("a", None, None)),
            (source("b", Some("B"), None), source("b", Some("B"), None)),
            (source("a", Some("A"), None), source("a", Some("A"), None)),
            (
                source("a", None, Some("said")),
                source("a", Some("A"), Some("said")),
            ),
            (
                source("a", Some("other"), None),
                source("a", Some("A"), Some("said")),
            ),
        ] {
            assert_eq!(sources.take(told), Some(&known));
        }
        let kept = sources.into_vec();
        assert_eq!(
            kept,
            [source("a", Some("A"), Some("said")), source("b", Some("B"), None)]
        );
    }

    #[test]
    fn there_are_no_more_than_so_many_and_those_can_still_grow() {
        let mut sources = Sources::default();
        for index in 0..SOURCES_MAX {
            assert!(sources.take(source(&index.to_string(), None, None)).is_some());
        }
        assert_eq!(sources.take(source("one more", None, None)), None);
        assert_eq!(
            sources.take(source("7", Some("Seven"), None)),
            Some(&source("7", Some("Seven"), None))
        );
        assert_eq!(sources.into_vec().len(), SOURCES_MAX);
    }
}
