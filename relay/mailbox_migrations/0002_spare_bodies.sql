-- Bodies of messages that arrive while the last page of `bodies` is damaged: SQLite adds rows there.
create table spare_bodies (
    row integer primary key,
    envelope blob not null
) strict;
