//! How a kept response is asked for.

use super::super::error::ProviderError;

/// What the query of a look-up says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Retrieval {
    /// Whether its events are wanted.
    pub(crate) stream: bool,
    /// The number of the last event that the client has.
    pub(crate) starting_after: Option<usize>,
    /// What it wants to see beyond what every response shows.
    pub(crate) include: Vec<String>,
}

impl Retrieval {
    /// Reads the query, in which a list repeats its name.
    pub(crate) fn read(query: Vec<(String, String)>) -> Result<Self, ProviderError> {
        let mut retrieval = Self::default();
        for (name, value) in query {
            let wrong = || {
                let message = format!("Invalid value for '{name}'.");
                ProviderError::invalid(&name, "invalid_value", message)
            };
            match name.as_str() {
                "stream" => retrieval.stream = value.parse().map_err(|_| wrong())?,
                "starting_after" => retrieval.starting_after = Some(value.parse().map_err(|_| wrong())?),
                "include[]" | "include" => retrieval.include.push(value),
                // Nothing is obfuscated, whatever is asked for.
                "include_obfuscation" => drop(value.parse::<bool>().map_err(|_| wrong())?),
                _ => {
                    let message = format!("Unknown parameter: '{name}'.");
                    return Err(ProviderError::invalid(&name, "unknown_parameter", message));
                }
            }
        }
        Ok(retrieval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Retrieval, ProviderError> {
        let query = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Retrieval::read(query.collect())
    }

    #[test]
    fn a_list_repeats_its_name() {
        let retrieval = read(&[
            ("stream", "true"),
            ("starting_after", "7"),
            ("include[]", "a"),
            ("include[]", "b"),
            ("include_obfuscation", "false"),
        ]);
        let expected = Retrieval {
            stream: true,
            starting_after: Some(7),
            include: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(retrieval, Ok(expected));
        assert_eq!(read(&[]), Ok(Retrieval::default()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            ("stream", "yes"),
            ("starting_after", "-1"),
            ("include_obfuscation", "1"),
            ("after", "7"),
        ] {
            assert!(read(&[query]).is_err(), "{query:?}");
        }
    }
}
