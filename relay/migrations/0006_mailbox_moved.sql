-- The mailbox has a file of its own, mailbox.db. relay/src/message_store/former_file.rs has moved the rows there.
drop table messages;
drop table bodies;
drop table mailbox_meta;
