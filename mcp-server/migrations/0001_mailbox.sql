-- What one agent has received, and its tasks. One process writes; see mcp-server/src/store.rs.

create table messages (
    -- Counts up with arrival: the order of listings, and their cursor. Never given twice.
    arrival integer primary key autoincrement,
    -- The sender's DID.
    sender text not null,
    id text not null,
    -- The sender's signing key that was used.
    key_id text not null,
    kind text not null,
    thread text,
    -- The message this one answers.
    re text,
    -- By the sender's clock, Unix seconds.
    sent_at integer not null,
    unread integer not null check (unread in (0, 1)),
    method text,
    content_type text not null,
    -- Whether `body` is the content's text itself (1) or its JSON (0).
    is_text integer not null check (is_text in (0, 1)),
    body text not null,
    -- Bytes of `body`.
    bytes integer not null,
    -- An id belongs to its sender: another one may use the same.
    unique (sender, id)
) strict;

create index messages_by_state on messages (unread, arrival);
create index messages_by_thread on messages (thread, arrival) where thread is not null;
create index messages_by_id on messages (id);

-- One row, kept by the triggers below, because every arrival asks whether there is room.
create table totals (
    one integer primary key check (one = 1),
    unread integer not null,
    unread_bytes integer not null,
    read integer not null,
    read_bytes integer not null,
    tasks integer not null,
    task_bytes integer not null
) strict;

insert into totals values (1, 0, 0, 0, 0, 0, 0);

create trigger message_added after insert on messages begin
    update totals set
        unread = unread + new.unread, unread_bytes = unread_bytes + new.unread * new.bytes,
        read = read + 1 - new.unread, read_bytes = read_bytes + (1 - new.unread) * new.bytes;
end;

create trigger message_removed after delete on messages begin
    update totals set
        unread = unread - old.unread, unread_bytes = unread_bytes - old.unread * old.bytes,
        read = read - 1 + old.unread, read_bytes = read_bytes - (1 - old.unread) * old.bytes;
end;

create trigger message_read after update of unread on messages when old.unread = 1 and new.unread = 0 begin
    update totals set
        unread = unread - 1, unread_bytes = unread_bytes - new.bytes,
        read = read + 1, read_bytes = read_bytes + new.bytes;
end;

create table tasks (
    -- Counts up with creation: the order of listings, and their cursor.
    number integer primary key autoincrement,
    -- 1: this agent gave it to `peer`. 0: `peer` gave it to this agent.
    given integer not null check (given in (0, 1)),
    peer text not null,
    -- The id of the message that submitted it.
    id text not null,
    title text,
    state text not null,
    revision integer not null,
    -- Percent.
    progress integer,
    -- The giver has asked to cancel.
    cancel_requested integer not null check (cancel_requested in (0, 1)),
    -- Counts up with every change of any task: the cursor of those who wait for one.
    change integer not null,
    -- Unix seconds, by this machine's clock.
    created integer not null,
    updated integer not null,
    unique (peer, id, given)
) strict;

create index tasks_by_id on tasks (id);

-- What was said in a task.
create table task_entries (
    task integer not null references tasks (number) on delete cascade,
    -- From 1; the first one is what was submitted.
    number integer not null,
    -- 1: written by this agent.
    mine integer not null check (mine in (0, 1)),
    -- Id of the message that carried it.
    message text not null,
    kind text not null check (kind in ('submit', 'status', 'input', 'cancel')),
    -- Of a status.
    state text,
    note text,
    is_text integer not null check (is_text in (0, 1)),
    -- Absent: nothing besides the note.
    body text,
    -- Bytes of note and body.
    bytes integer not null,
    written integer not null,
    primary key (task, number),
    -- The same message again changes nothing.
    unique (task, mine, message)
) strict, without rowid;

create trigger task_added after insert on tasks begin
    update totals set tasks = tasks + 1;
end;

create trigger task_removed after delete on tasks begin
    update totals set tasks = tasks - 1;
end;

create trigger task_entry_added after insert on task_entries begin
    update totals set task_bytes = task_bytes + new.bytes;
end;

create trigger task_entry_removed after delete on task_entries begin
    update totals set task_bytes = task_bytes - old.bytes;
end;
