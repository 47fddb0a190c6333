-- JSON of the root keys that the owner of an agent replaced, the newest last. Null: none.
alter table agents add column former_root_keys text;
