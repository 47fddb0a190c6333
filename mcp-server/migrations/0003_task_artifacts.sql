-- An artifact is a kind of task entry. SQLite changes a check only with its table.
create table new_task_entries (
    task integer not null references tasks (number) on delete cascade,
    -- From 1; the first one is what was submitted.
    number integer not null,
    -- 1: written by this agent.
    mine integer not null check (mine in (0, 1)),
    -- Id of the message that carried it.
    message text not null,
    kind text not null check (kind in ('submit', 'status', 'artifact', 'input', 'cancel')),
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

insert into new_task_entries select * from task_entries;
-- This drops its triggers too, without firing them: the totals stay.
drop table task_entries;
alter table new_task_entries rename to task_entries;

create trigger task_entry_added after insert on task_entries begin
    update totals set task_bytes = task_bytes + new.bytes;
end;

create trigger task_entry_removed after delete on task_entries begin
    update totals set task_bytes = task_bytes - old.bytes;
end;
