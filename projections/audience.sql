-- Who would be sent to at any position: what matters of each device, each subscription and each app's providers, with
-- the positions [from_position, to_position) in which it was so. to_position 9223372036854775807: it is so still.
create schema {schema};

create table {schema}.device (
    device_id     uuid not null,
    app_id        uuid not null,
    platform      text not null,
    through       text not null,
    has_token     boolean not null,
    opted_out     boolean not null,
    retired       boolean not null,
    user_id       uuid,
    user_position bigint,
    alias_digest  bytea,
    from_position bigint not null,
    to_position   bigint not null,
    primary key (device_id, from_position)
);

create unique index device_now on {schema}.device (device_id) where to_position = 9223372036854775807;
create index device_of_app on {schema}.device (app_id, to_position);
create index device_of_person on {schema}.device (user_id) where user_id is not null;
create index device_of_alias on {schema}.device (alias_digest) where alias_digest is not null;

create table {schema}.tagged (
    app_id        uuid not null,
    tag           text not null,
    device_id     uuid not null,
    from_position bigint not null,
    to_position   bigint not null,
    primary key (device_id, tag, from_position)
);

create index tagged_by_tag on {schema}.tagged (app_id, tag, to_position) include (from_position, device_id);

create table {schema}.property (
    app_id        uuid not null,
    device_id     uuid not null,
    digest        bytea not null,
    from_position bigint not null,
    to_position   bigint not null,
    primary key (device_id, digest, from_position)
);

create index property_by_value on {schema}.property (digest, app_id, to_position) include (from_position, device_id);

create table {schema}.provider (
    app_id        uuid not null,
    provider      text not null,
    profile       text not null,
    from_position bigint not null,
    to_position   bigint not null,
    primary key (app_id, provider, profile, from_position)
);

-- People whose keys were destroyed, and when. From then on nobody of that name is them.
create table {schema}.erased (
    subject  uuid not null,
    position bigint not null,
    primary key (subject, position)
);
