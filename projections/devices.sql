-- Devices as they are now, their subscriptions, and how many active devices each tag has.
create schema {schema};

create table {schema}.device (
    device_id        uuid primary key,
    app_id           uuid not null,
    platform         text not null,
    provider         text,
    external_id      text,
    token            text,
    token_digest     bytea,
    user_id          uuid,
    user_name        text,
    user_digest      bytea,
    user_position    bigint,
    alias            text,
    alias_digest     bytea,
    phone            text,
    properties       jsonb,
    property_types   jsonb,
    environment      text,
    through          text not null,
    registered_at    timestamptz not null,
    token_scope      text,
    attributes       jsonb not null,
    tags             text[] not null,
    state            text not null,
    opted_out        boolean not null,
    retired          text,
    created_position bigint not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    position         bigint not null
);

create index device_number on {schema}.device (created_position);
create index device_of_app on {schema}.device (app_id, created_position);
create index device_of_user on {schema}.device (user_id, created_position) where user_id is not null;
create index device_of_alias on {schema}.device (alias_digest, created_position) where alias_digest is not null;
create index device_of_alias_in_any_case on {schema}.device (lower(alias), app_id) where alias is not null;
create index device_of_token on {schema}.device (token_digest) where token_digest is not null;
create index device_of_external_id on {schema}.device (external_id, app_id) where external_id is not null;

create table {schema}.subscription (
    app_id           uuid not null,
    tag              text not null,
    device_id        uuid not null,
    created_position bigint not null,
    primary key (device_id, tag)
);

create index subscription_of_tag on {schema}.subscription (app_id, tag, created_position);

create table {schema}.tag_count (
    app_id  uuid not null,
    tag     text not null,
    devices bigint not null,
    primary key (app_id, tag)
);

-- People whose keys were destroyed, and when: what an event before that says of them is not to be written any more,
-- whatever order the partitions come in.
create table {schema}.erased (
    subject  uuid not null,
    position bigint not null,
    primary key (subject, position)
);
