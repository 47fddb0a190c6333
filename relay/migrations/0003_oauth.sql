-- The MCP endpoints of agents, and what the authorization server keeps about clients, people and what these allowed.
-- Secrets are here as SHA-256 only: invitations, codes and refresh tokens cannot be read back.

-- The URL of the agent's MCP endpoint, and a JSON list of the accounts that may sign in for it.
alter table agents add column mcp_url text;
alter table agents add column mcp_accounts text;
create unique index agents_by_mcp_url on agents (mcp_url) where mcp_url is not null;

-- Clients that registered themselves (RFC 7591).
create table oauth_clients (
    client_id text primary key,
    -- Name and redirect URIs as JSON.
    metadata text not null,
    -- Unix seconds, as all times here.
    registered integer not null,
    -- When somebody last allowed it something; null: nobody yet, and it is forgotten after a day.
    used integer
) strict, without rowid;

create index oauth_clients_by_use on oauth_clients (used, registered);

-- People, as far as we know them: who somebody else says they are, or the bearer of an invitation.
create table oauth_accounts (
    -- The subject of access tokens; says nothing about the person.
    account text primary key,
    -- Issuer of the provider of identities, or `invitation`.
    issuer text not null,
    -- The provider's subject, or tenant and id of the invitation.
    subject text not null,
    -- As the provider last verified it.
    email text,
    -- The only agent that the bearer of an invitation may use.
    tenant text,
    agent text,
    unique (issuer, subject),
    foreign key (tenant, agent) references agents (tenant, name) on delete cascade
) strict, without rowid;

create table oauth_invitations (
    id text not null,
    hash blob not null unique check (length(hash) = 32),
    tenant text not null,
    agent text not null,
    expires integer not null,
    -- Who signed in with it; it cannot be used again.
    account text references oauth_accounts on delete set null,
    used integer not null default 0 check (used in (0, 1)),
    primary key (tenant, id),
    foreign key (tenant, agent) references agents (tenant, name) on delete cascade
) strict, without rowid;

-- What a person allowed a client, once. Revoked is deleted: codes and tokens go with it.
create table oauth_grants (
    grant_id text primary key,
    account text not null references oauth_accounts on delete cascade,
    client_id text not null,
    tenant text not null,
    agent text not null,
    -- URL of the MCP endpoint, the audience of the access tokens.
    resource text not null,
    scope text not null,
    created integer not null,
    -- The end, however often it is refreshed.
    expires integer not null,
    foreign key (tenant, agent) references agents (tenant, name) on delete cascade
) strict, without rowid;

create index oauth_grants_by_account on oauth_grants (account, created);
create index oauth_grants_by_agent on oauth_grants (tenant, agent);

create table oauth_codes (
    hash blob primary key check (length(hash) = 32),
    grant_id text not null unique references oauth_grants on delete cascade,
    redirect_uri text not null,
    -- SHA-256 of the verifier (RFC 7636, S256).
    challenge blob not null check (length(challenge) = 32),
    expires integer not null,
    -- A used one is kept as long as its grant, to notice when it comes again.
    used integer not null default 0 check (used in (0, 1))
) strict, without rowid;

create table oauth_refresh_tokens (
    hash blob primary key check (length(hash) = 32),
    grant_id text not null references oauth_grants on delete cascade,
    expires integer not null,
    -- When it was first exchanged for the next one; null: it is a current one.
    replaced integer,
    -- How often it was exchanged again shortly after, by a client that refreshes twice at once.
    retries integer not null default 0
) strict, without rowid;

create index oauth_refresh_tokens_by_grant on oauth_refresh_tokens (grant_id);
