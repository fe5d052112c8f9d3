-- Apps and what is configured for them. No secret ever stands here, only the ids under which the vault keeps it.
create schema {schema};

create table {schema}.app (
    app_id     uuid primary key,
    name       text not null,
    hosts      text[] not null,
    settings   jsonb not null,
    disabled   boolean not null,
    created_at timestamptz not null,
    created_position bigint not null,
    position   bigint not null
);

create index app_number on {schema}.app (created_position);
create index app_of_host on {schema}.app using gin (hosts);

create table {schema}.provider (
    app_id        uuid not null,
    provider      text not null,
    profile       text not null,
    configuration jsonb not null,
    secret_id     uuid not null,
    fingerprint   text not null,
    configured_at timestamptz not null,
    position      bigint not null,
    primary key (app_id, provider, profile)
);

create table {schema}.credential (
    credential_id  uuid primary key,
    app_id         uuid not null,
    kind           text not null,
    dialect        text not null,
    name           text not null,
    roles          text[] not null,
    scope          text,
    public_id      text,
    secret_id      uuid not null,
    revoked        boolean not null,
    issued_at      timestamptz not null,
    revoked_at     timestamptz,
    created_position bigint not null,
    position       bigint not null
);

create index credential_of_app on {schema}.credential (app_id, created_position);
create index credential_of_public_id on {schema}.credential (public_id, dialect) where public_id is not null;

create table {schema}.tag (
    app_id      uuid not null,
    tag         text not null,
    description text not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    position    bigint not null,
    primary key (app_id, tag)
);

create table {schema}.webhook (
    webhook_id       uuid primary key,
    app_id           uuid not null,
    name             text not null,
    url              text not null,
    events           text[] not null,
    secret_id        uuid,
    format           text not null,
    types            text[] not null,
    created_at       timestamptz not null,
    created_position bigint not null,
    position         bigint not null
);

create index webhook_of_app on {schema}.webhook (app_id, created_position);

create table {schema}.template (
    template_id      uuid primary key,
    app_id           uuid not null,
    name             text not null,
    message          jsonb not null,
    created_at       timestamptz not null,
    created_position bigint not null,
    position         bigint not null
);

create index template_of_app on {schema}.template (app_id, created_position);

create table {schema}.segment (
    app_id     uuid not null,
    name       text not null,
    criteria   jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position   bigint not null,
    primary key (app_id, name)
);
