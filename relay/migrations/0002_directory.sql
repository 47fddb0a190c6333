-- Who may use this relay: tenants, their agents, and the hashes of API keys. Written by the relay's admin API and by
-- agents that register; read once at start. `domain` is not repeated in rows: a store belongs to one domain.

create table directory_meta (
    -- One row.
    id integer primary key check (id = 1),
    -- Made when the store was created, so that a control plane notices that it talks to another state.
    instance text not null,
    -- The did:wba domain of every agent in here.
    domain text not null,
    -- Grows by one with every change, in the same transaction.
    version integer not null
) strict;

create table tenants (
    tenant text primary key,
    display_name text not null,
    suspended integer not null check (suspended in (0, 1)),
    -- Null: no limit but the relay's own.
    agents_max integer
) strict, without rowid;

create table agents (
    tenant text not null references tenants on delete cascade,
    name text not null,
    -- Multikey of the only root key that may register. Null until an admin names it or first use pins it.
    root_key text,
    -- Card set by the admin, shown instead of the agent's own; JSON.
    declared_card text,
    suspended integer not null check (suspended in (0, 1)),
    -- The registered record as it came, with the two things we would otherwise parse it for at start.
    record blob,
    record_created integer,
    registered_card text,
    primary key (tenant, name)
) strict, without rowid;

create table api_keys (
    -- In the order they were written.
    position integer primary key autoincrement,
    -- SHA-256 of the key; the key itself is nowhere here.
    sha256 blob not null unique check (length(sha256) = 32),
    tenant text not null references tenants on delete cascade,
    -- Null: a key of the tenant, good for each of its agents.
    agent text,
    -- Seconds since the Unix epoch from which the key no longer works.
    not_after integer,
    foreign key (tenant, agent) references agents (tenant, name) on delete cascade
) strict;

create index api_keys_by_owner on api_keys (tenant, agent);
