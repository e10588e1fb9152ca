//! The language model: built once from the configuration, then asked.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use greenroom_session::ports::{
    CallFailure, LanguageModel, LlmIdentity, ModelRequest, ModelSize, ModelStream,
};

use crate::chat::{self, ChatReader};
use crate::config::{Address, OpenAiConfig, OutputLimitField};
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::generation::Generation;
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::ProbeReport;
use crate::reply::ReplyReader;
use crate::responses::{self, ResponsesReader};

/// OpenAI, or whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAi {
    endpoint: Arc<Endpoint>,
    small_model: String,
    output_limit_field: OutputLimitField,
}

impl OpenAi {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: OpenAiConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let operation = Address::parse(config.endpoint.base_url.as_deref())?.protocol(config.api);
        let small_model = config.small_model;
        let endpoint = Endpoint::new(operation, config.endpoint, Some(small_model.clone()), prices)?;
        Ok(Self {
            endpoint: Arc::new(endpoint),
            small_model,
            output_limit_field: config.output_limit_field,
        })
    }

    /// Whether the provider can be reached, takes the key and lists the models. Costs nothing; the circuit neither
    /// hinders nor hears of it.
    pub async fn probe(&self) -> ProbeReport {
        self.endpoint.probe().await
    }

    /// How it fares, for `/health/detailed` and for operators.
    pub fn status(&self) -> ProviderStatus {
        self.endpoint.status()
    }

    /// Lets calls through again at once: an operator knows that the provider is back.
    pub fn reset_circuit(&self) {
        self.endpoint.reset_circuit();
    }
}

#[async_trait]
impl LanguageModel for OpenAi {
    /// `search` asks for nothing where [`LanguageModel::can_search`] is false.
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure> {
        let model = match request.size {
            ModelSize::Large => &self.endpoint.model,
            ModelSize::Small => &self.small_model,
        };
        let (body, reader): (Vec<u8>, Box<dyn ReplyReader>) = if self.can_search() {
            (
                responses::body(&request, model),
                Box::<ResponsesReader>::default(),
            )
        } else {
            let body = chat::body(&request, model, self.output_limit_field);
            (body, Box::<ChatReader>::default())
        };
        let generation = Generation::begin(&self.endpoint, &request, model, body, reader).await?;
        let events = stream::unfold(generation, |mut generation| async move {
            let event = generation.next().await?;
            Some((event, generation))
        });
        Ok(events.boxed())
    }

    fn identity(&self) -> Option<LlmIdentity> {
        Some(LlmIdentity {
            provider: self.endpoint.name.clone(),
            model: self.endpoint.model.clone(),
            small_model: self.small_model.clone(),
            simulated: self.endpoint.simulated,
        })
    }

    fn can_search(&self) -> bool {
        self.endpoint.operation == Operation::Responses
    }
}
