-- Who owns each tenant and each agent, what a deletion leaves behind, and the last leader of the control plane.

-- `kubernetes:<uid>`, `command-line` or `registration`. Null: nobody is recorded.
alter table tenants add column owner text;
-- Unix seconds of the deletion that retained the entry. Null: it was not deleted.
alter table tenants add column released integer check (released is null or owner is null);
-- `Retain` or `Purge`. Null: a deletion purges the entry unless it says otherwise.
alter table tenants add column deletion_policy text check (deletion_policy in ('Retain', 'Purge'));

alter table agents add column owner text;
alter table agents add column released integer check (released is null or owner is null);
alter table agents add column deletion_policy text check (deletion_policy in ('Retain', 'Purge'));
-- 0: the root key was pinned by the first registration and is not part of the declaration.
alter table agents add column root_key_declared integer not null default 1 check (root_key_declared in (0, 1));

-- The highest term of a leader of the control plane that wrote here. Null: none has.
alter table directory_meta add column term text;
