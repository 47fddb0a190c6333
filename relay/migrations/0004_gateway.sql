-- The MCP gateway of the relay: one URL for all agents, where people choose the agent when they allow a client.

-- Where the gateway reaches the agent's endpoint. Null: it serves the agent not.
alter table agents add column mcp_endpoint text;

-- Whether `resource` is the gateway's URL and not the agent's own.
alter table oauth_grants add column gateway integer not null default 0 check (gateway in (0, 1));
