//! Serves the tools, resources and prompts that the conformance suite calls by name, in front of
//! the product's own handler.
#![expect(deprecated, reason = "the older requirement set asks for logging and subscriptions")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mcp_server::server::Server;
use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::task_manager::TaskManager;
use rmcp::{RoleServer, ServerHandler};

mod asking;
mod catalogue;
mod content;
mod jobs;
mod prompts;
mod rounds;

/// Cheap to clone; clones share jobs and streams.
#[derive(Clone)]
pub(super) struct Fixture {
    product: Server,
    jobs: TaskManager,
    streams: Streams,
}

/// Streams of `subscriptions/listen`, for the tools that trigger a notification.
#[derive(Clone, Default)]
struct Streams {
    sinks: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    next: Arc<AtomicU64>,
}

impl Fixture {
    pub(super) fn new(product: Server) -> Self {
        Self { product, jobs: TaskManager::new(), streams: Streams::default() }
    }
}

impl Streams {
    fn all(&self) -> Vec<SubscriptionSink> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        info.capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_logging()
            .enable_completions()
            .enable_tasks()
            .build();
        info
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let fixture = catalogue::tools().into_iter().find(|tool| tool.name == name);
        fixture.or_else(|| self.product.get_tool(name))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.product.list_tools(request, context).await?;
        listed.tools.extend(catalogue::tools());
        Ok(listed)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.to_string();
        if catalogue::JOBS.contains(&name.as_str()) {
            return jobs::call(&self.jobs, request, &context);
        }
        if name.starts_with("test_input_required_result_") || name == "test_streaming_elicitation" {
            return rounds::call(&request, &context.meta);
        }
        match name.as_str() {
            "test_trigger_tool_change" => {
                for stream in self.streams.all() {
                    let _ = stream.notify_tool_list_changed().await;
                }
                Ok(content::text("told").into())
            }
            "test_trigger_prompt_change" => {
                for stream in self.streams.all() {
                    let _ = stream.notify_prompt_list_changed().await;
                }
                Ok(content::text("told").into())
            }
            "test_sampling"
            | "test_elicitation"
            | "test_elicitation_sep1034_defaults"
            | "test_elicitation_sep1330_enums" => asking::call(&request, &context).await,
            _ if catalogue::PLAIN.contains(&name.as_str()) => content::call(&request, &context).await,
            _ => self.product.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut listed = self.product.list_resources(request, context).await?;
        listed.resources.extend(catalogue::resources());
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = self.product.list_resource_templates(request, context).await?;
        listed.resource_templates.push(
            ResourceTemplate::new("test://template/{id}/data", "template").with_mime_type("application/json"),
        );
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match content::resource(&request.uri) {
            Some(contents) => {
                let read = ReadResourceResult::new(vec![contents]).with_ttl_ms(0);
                Ok(read.with_cache_scope(CacheScope::Private).into())
            }
            None => self.product.read_resource(request, context).await,
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if request.uri.starts_with("test://") {
            return Ok(());
        }
        self.product.subscribe(request, context).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.product.unsubscribe(request, context).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.streams.next.fetch_add(1, Ordering::Relaxed);
        let sinks = || self.streams.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks().insert(key, context.sink().clone());
        let served = self.product.listen(context).await;
        sinks().remove(&key);
        served
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(catalogue::prompts())
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = vec![format!("{}1", request.argument.value), format!("{}2", request.argument.value)];
        let completion = CompletionInfo::new(values).map_err(|e| ErrorData::internal_error(e, None))?;
        Ok(CompleteResult::new(completion))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.jobs.get_task(&request.task_id)?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.jobs.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.jobs.cancel_task(&request.task_id)
    }
}
