-- The accounts that some dialects have, and their sessions.
create schema {schema};

create table {schema}.account (
    user_id          uuid primary key,
    app_id           uuid not null,
    name             text,
    name_digest      bytea,
    profile          jsonb,
    roles            text[] not null,
    secret_id        uuid,
    state            text not null,
    created_at       timestamptz not null,
    created_position bigint not null,
    position         bigint not null
);

create index account_of_app on {schema}.account (app_id, created_position);
create unique index account_number on {schema}.account (created_position);
create index account_of_name on {schema}.account (name_digest, app_id) where name_digest is not null;

create table {schema}.session (
    session_id uuid primary key,
    user_id    uuid not null,
    app_id     uuid not null,
    secret_id  uuid not null,
    opened_at  timestamptz not null,
    expires_at timestamptz,
    closed_at  timestamptz,
    reason     text
);

create index session_of_user on {schema}.session (user_id);
create index session_of_secret on {schema}.session (secret_id);

-- Access tokens that are not to be taken any more though they have not ended.
create table {schema}.revoked_token (
    token_id uuid primary key
);
