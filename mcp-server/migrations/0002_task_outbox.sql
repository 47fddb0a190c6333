-- Messages about tasks that the relay has not answered yet, in the order in which they leave. Each
-- is stored with what it changes, and sent under its id until the relay has answered.
create table task_outbox (
    number integer primary key autoincrement,
    task integer not null references tasks (number) on delete cascade,
    -- The id of the message; that of its task if it submits it.
    message text not null unique,
    -- The content, as JSON.
    content text not null,
    -- The task before it, to undo the change when the relay refuses the message.
    state text not null,
    revision integer not null,
    progress integer,
    -- 1: this message asked to cancel.
    requests_cancel integer not null check (requests_cancel in (0, 1))
) strict;

create index task_outbox_by_task on task_outbox (task, number);
