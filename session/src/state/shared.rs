//! How what is shared between a state and its readers is written into a snapshot: as if it were not shared.

/// One value.
pub(super) mod one {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::state) fn serialize<T, S>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        T::serialize(shared, serializer)
    }

    pub(in crate::state) fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// Each value of a queue.
pub(super) mod each {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::state) fn serialize<T, S>(
        queue: &VecDeque<Arc<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(queue.iter().map(AsRef::as_ref))
    }

    pub(in crate::state) fn deserialize<'de, T, D>(deserializer: D) -> Result<VecDeque<Arc<T>>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let queue = VecDeque::<T>::deserialize(deserializer)?;
        Ok(queue.into_iter().map(Arc::new).collect())
    }
}
