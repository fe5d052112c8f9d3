-- What a consumer in the tests does with an event, and how far it has come, in one database and one transaction.
-- No unique constraint on handled: a second handling must show, not fail.
create schema effects;

create table effects.handled (
    consumer  text not null,
    partition integer not null,
    position  bigint not null
);

create table effects.cursors (
    partition integer primary key,
    position  bigint not null,
    bookmark  bigint not null,
    epoch     integer not null
);
