//! The language model: built once from the configuration, then asked.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::CallId;
use greenroom_session::ports::{
    Background, CallFailure, LanguageModel, LlmIdentity, ModelRequest, ModelSize, ModelStream,
};

use crate::chat::{self, ChatReader};
use crate::config::{Address, OpenAiConfig, OutputLimitField};
use crate::endpoint::{BuildError, Endpoint, ProviderStatus};
use crate::generation::Generation;
use crate::operation::Operation;
use crate::price::PriceTable;
use crate::probe::ProbeReport;
use crate::reply::ReplyReader;
use crate::responses::{self, Reading, ResponsesReader};
use crate::stored::StoredResponse;
use crate::take_up;

/// OpenAI, or whatever speaks its protocol. A clone is the same provider.
#[derive(Debug, Clone)]
pub struct OpenAi {
    endpoint: Arc<Endpoint>,
    small_model: String,
    output_limit_field: OutputLimitField,
    /// Whether replies that may be are begun in the background.
    background: bool,
}

impl OpenAi {
    /// A provider by its configuration. Sends nothing.
    pub fn new(config: OpenAiConfig, prices: PriceTable) -> Result<Self, BuildError> {
        let address = Address::parse(config.endpoint.base_url.as_deref())?;
        let operation = address.protocol(config.api);
        let background = address.has_background(config.background, operation);
        let small_model = config.small_model;
        let endpoint = Endpoint::new(operation, config.endpoint, Some(small_model.clone()), prices)?;
        Ok(Self {
            endpoint: Arc::new(endpoint),
            small_model,
            output_limit_field: config.output_limit_field,
            background,
        })
    }

    /// Whether the provider can be reached, takes the key and lists the models. Costs nothing; the circuit neither
    /// hinders nor hears of it.
    pub async fn probe(&self) -> ProbeReport {
        self.endpoint.probe().await
    }

    /// Asks for a new reply.
    async fn begin(&self, request: &ModelRequest, model: &str) -> Result<Generation, CallFailure> {
        let (body, reader): (Vec<u8>, Box<dyn ReplyReader>) = if self.can_search() {
            let background = self.background && request.background == Background::Allowed;
            let reading = if background {
                Reading::Background
            } else {
                Reading::Attended
            };
            (
                responses::body(request, model, background),
                Box::new(ResponsesReader::new(reading)),
            )
        } else {
            let body = chat::body(request, model, self.output_limit_field);
            (body, Box::<ChatReader>::default())
        };
        Generation::begin(&self.endpoint, request, model, body, reader).await
    }

    /// A response that is stored there. The other protocol stores none.
    fn stored(&self, call_id: CallId, response_id: &str) -> Option<StoredResponse> {
        self.can_search().then(|| StoredResponse {
            endpoint: Arc::clone(&self.endpoint),
            call_id,
            response_id: response_id.to_owned(),
        })
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
        let generation = match &request.background {
            Background::TakenUp { response_id } => {
                take_up::take_up(&self.endpoint, &request, model, response_id).await?
            }
            Background::Never | Background::Allowed => self.begin(&request, model).await?,
        };
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

    fn can_take_up(&self) -> bool {
        self.background
    }

    fn abandon(&self, call_id: CallId, response_id: &str) {
        if let Some(stored) = self.stored(call_id, response_id) {
            // Ends by its own deadlines; a server that stops does not wait for it.
            tokio::spawn(stored.abandon());
        }
    }

    fn forget(&self, call_id: CallId, response_id: &str) {
        if let Some(stored) = self.stored(call_id, response_id) {
            // As above.
            tokio::spawn(stored.forget());
        }
    }
}
