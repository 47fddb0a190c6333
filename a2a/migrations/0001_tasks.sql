-- The tasks of one gateway. One process writes; see a2a/src/store.rs. Times are Unix milliseconds.

create table tasks (
    number integer primary key autoincrement,
    -- The id of the message that submitted it, which is also the id of A2A.
    id text not null unique,
    -- Who may see it.
    caller text not null,
    -- The DID of the agent.
    agent text not null,
    context text not null,
    state text not null,
    -- Of the last change of the state: the order of listings, with the number.
    status_at integer not null,
    created_at integer not null,
    -- That of the agent's last message.
    revision integer not null,
    changes integer not null,
    bytes integer not null,
    cancel_requested integer not null check (cancel_requested in (0, 1))
) strict;

create index tasks_by_caller on tasks (caller, agent, status_at, number);

-- All that is stored of a task: folded, the task; one by one, the events of its streams.
create table changes (
    task integer not null references tasks (number) on delete cascade,
    -- From 1 within the task.
    number integer not null,
    -- message, status, artifact or answer
    kind text not null,
    -- JSON.
    body text not null,
    at integer not null,
    primary key (task, number)
) strict, without rowid;

-- Messages to agents that the relay has not answered, each stored with what it belongs to.
create table outbox (
    number integer primary key autoincrement,
    task integer not null references tasks (number) on delete cascade,
    message text not null unique,
    -- The content, as JSON.
    content text not null
) strict;

create index outbox_by_task on outbox (task, number);

create table webhooks (
    number integer primary key autoincrement,
    task integer not null references tasks (number) on delete cascade,
    id text not null,
    -- The configuration of A2A as JSON, with its secrets.
    config text not null,
    -- Failures since the last success, and when the next attempt is due.
    failures integer not null default 0,
    due_at integer not null default 0,
    unique (task, id)
) strict;

-- Changes that a webhook has not got.
create table notifications (
    webhook integer not null references webhooks (number) on delete cascade,
    change integer not null,
    primary key (webhook, change)
) strict, without rowid;
