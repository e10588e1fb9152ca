//! The parameters of the two APIs that write texts, and what the simulator makes of each.

use crate::provider::parameters::Rule::{
    self, Flag, Integer, Number, Object, OneOf, Only, Read, Text, Unsupported,
};

/// The fewest tokens that the Responses API lets a reply be limited to.
const RESPONSE_TOKENS_MIN: i64 = 16;

const EFFORTS: Rule = OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]);
const TIERS: Rule = OneOf(&["auto", "default", "flex", "priority"]);
const RETENTIONS: Rule = OneOf(&["in_memory", "in-memory", "24h"]);

pub(super) const RESPONSES: &[(&str, Rule)] = &[
    ("background", Flag),
    ("context_management", Unsupported),
    ("conversation", Unsupported),
    ("include", Read),
    ("input", Read),
    ("instructions", Text),
    ("max_output_tokens", Integer(RESPONSE_TOKENS_MIN, i64::MAX)),
    ("max_tool_calls", Unsupported),
    ("metadata", Read),
    ("model", Read),
    ("moderation", Unsupported),
    ("parallel_tool_calls", Flag),
    ("previous_response_id", Text),
    ("prompt", Unsupported),
    ("prompt_cache_key", Text),
    ("prompt_cache_options", Unsupported),
    ("prompt_cache_retention", RETENTIONS),
    ("reasoning", Object),
    ("safety_identifier", Text),
    ("service_tier", TIERS),
    ("store", Flag),
    ("stream", Flag),
    ("stream_options", Read),
    ("temperature", Number(0.0, 2.0)),
    ("text", Read),
    ("tool_choice", Read),
    ("tools", Read),
    ("top_logprobs", Only("0")),
    ("top_p", Number(0.0, 1.0)),
    ("truncation", OneOf(&["auto", "disabled"])),
    ("user", Text),
];

pub(super) const CHAT: &[(&str, Rule)] = &[
    ("audio", Unsupported),
    ("frequency_penalty", Number(-2.0, 2.0)),
    ("function_call", Unsupported),
    ("functions", Unsupported),
    ("logit_bias", Only("{}")),
    ("logprobs", Only("false")),
    ("max_completion_tokens", Integer(1, i64::MAX)),
    ("max_tokens", Integer(1, i64::MAX)),
    ("messages", Read),
    ("metadata", Read),
    ("modalities", Only("[\"text\"]")),
    ("model", Read),
    ("moderation", Unsupported),
    ("n", Only("1")),
    ("parallel_tool_calls", Flag),
    ("prediction", Unsupported),
    ("presence_penalty", Number(-2.0, 2.0)),
    ("prompt_cache_key", Text),
    ("prompt_cache_options", Unsupported),
    ("prompt_cache_retention", RETENTIONS),
    ("reasoning_effort", EFFORTS),
    ("response_format", Read),
    ("safety_identifier", Text),
    ("seed", Integer(i64::MIN, i64::MAX)),
    ("service_tier", TIERS),
    ("stop", Read),
    ("store", Flag),
    ("stream", Flag),
    ("stream_options", Read),
    ("temperature", Number(0.0, 2.0)),
    ("tool_choice", Read),
    ("tools", Read),
    ("top_logprobs", Only("0")),
    ("top_p", Number(0.0, 1.0)),
    ("user", Text),
    ("verbosity", OneOf(&["low", "medium", "high"])),
    ("web_search_options", Object),
];
