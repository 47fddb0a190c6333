-- Messages and notices on their way to agents, and the memory of what was accepted. One writer; see relay/src/message_store.rs.
-- No index besides the row number: who has which rows is kept in memory and rebuilt from `messages` at start.

create table messages (
    -- Given by the relay in the order of acceptance; the order of delivery to one recipient.
    row integer primary key,
    -- 1: in the recipient's mailbox. Otherwise it is only remembered, so that the same id is not accepted twice within
    -- 24 h, with how it left: 0 delivered, 2 expired, 3 dropped, 4 refused by the recipient.
    state integer not null check (state between 0 and 4),
    -- DID of the mailbox's owner.
    recipient text not null,
    -- DID of the sender; of a notice, the agent it is about.
    peer text not null,
    -- The 16 bytes of the message id.
    id blob not null,
    -- Fingerprint of the envelope, to tell a repetition from another message under the same id.
    digest integer not null,
    -- 0: message. 1: notice "expired". 2: notice "dropped". 3: notice "refused".
    kind integer not null check (kind between 0 and 3),
    -- Of a notice "refused": number of the recipient's reason.
    reason integer,
    -- Bytes of the envelope; quotas are counted at start without reading bodies.
    size integer not null,
    -- Unix seconds.
    accepted integer not null,
    expires integer not null
) strict;

-- Apart from `messages`, so that a start reads only what it needs: a million waiting messages in about a second.
create table bodies (
    row integer primary key,
    -- The bytes that arrived and will be delivered.
    envelope blob not null
) strict;

-- One row.
create table mailbox_meta (
    id integer primary key check (id = 1),
    -- How often a relay started on this file; the upper part of session epochs, so that none ever comes again.
    starts integer not null,
    -- Written to find out whether the disk takes writes again after it did not. Unix seconds.
    probed integer not null
) strict;

insert into mailbox_meta (id, starts, probed) values (1, 0, 0);
