//! The model ports for OpenAI and whatever speaks its protocol.
