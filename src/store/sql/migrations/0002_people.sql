-- Applications, the people who log in to them, and what they approved. Same rules as 0001: TEXT and BIGINT only.

ALTER TABLE tenant ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

CREATE TABLE application (
    id             TEXT   NOT NULL,
    tenant_id      TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    client_id      TEXT   NOT NULL,
    client_secrets TEXT   NOT NULL,
    roles          TEXT   NOT NULL,
    settings       TEXT   NOT NULL,
    managed_by     TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CONSTRAINT application_id_key PRIMARY KEY (id),
    CONSTRAINT application_name_key UNIQUE (tenant_id, name),
    CONSTRAINT application_client_id_key UNIQUE (tenant_id, client_id),
    CONSTRAINT application_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id)
);

-- PostgreSQL keeps the word "user" for itself. The keys are what is compared: the same in lower case.
CREATE TABLE tenant_user (
    id                  TEXT   NOT NULL,
    tenant_id           TEXT   NOT NULL,
    email               TEXT,
    email_key           TEXT,
    username            TEXT,
    username_key        TEXT,
    email_verified      BIGINT NOT NULL,
    password_hash       TEXT,
    password_changed_at BIGINT NOT NULL,
    password_change     TEXT,
    locked_at           BIGINT,
    expires_at          BIGINT,
    totp_secret         TEXT,
    recovery_codes      TEXT   NOT NULL,
    profile             TEXT   NOT NULL,
    managed_by          TEXT,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    CONSTRAINT tenant_user_id_key PRIMARY KEY (id),
    CONSTRAINT tenant_user_email_key UNIQUE (tenant_id, email_key),
    CONSTRAINT tenant_user_username_key UNIQUE (tenant_id, username_key),
    CONSTRAINT tenant_user_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id)
);
CREATE INDEX tenant_user_in_order ON tenant_user (tenant_id, id);
CREATE INDEX tenant_user_managed ON tenant_user (managed_by) WHERE managed_by IS NOT NULL;

CREATE TABLE registration (
    user_id        TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    roles          TEXT   NOT NULL,
    data           TEXT   NOT NULL,
    managed_by     TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CONSTRAINT registration_key PRIMARY KEY (user_id, application_id),
    CONSTRAINT registration_user_exists FOREIGN KEY (user_id) REFERENCES tenant_user (id) ON DELETE CASCADE,
    CONSTRAINT registration_application_exists
        FOREIGN KEY (application_id) REFERENCES application (id) ON DELETE CASCADE
);
CREATE INDEX registration_of_application ON registration (application_id);

CREATE TABLE consent (
    user_id        TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    scopes         TEXT   NOT NULL,
    granted_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    CONSTRAINT consent_key PRIMARY KEY (user_id, application_id),
    CONSTRAINT consent_user_exists FOREIGN KEY (user_id) REFERENCES tenant_user (id) ON DELETE CASCADE,
    CONSTRAINT consent_application_exists
        FOREIGN KEY (application_id) REFERENCES application (id) ON DELETE CASCADE
);
CREATE INDEX consent_of_application ON consent (application_id);
CREATE INDEX consent_until ON consent (expires_at);

-- What follows ends by itself, and is written for every login or token. It has no foreign keys to users and
-- applications: those who delete one of them delete these too, and `over_at` or `expires_at` says when the rest goes.

CREATE TABLE session (
    id               TEXT   NOT NULL,
    hash             TEXT   NOT NULL,
    tenant_id        TEXT   NOT NULL,
    user_id          TEXT   NOT NULL,
    authenticated_at BIGINT NOT NULL,
    methods          TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    last_used_at     BIGINT NOT NULL,
    idle_expires_at  BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    -- The earlier of the two.
    over_at          BIGINT NOT NULL,
    peer             TEXT,
    user_agent       TEXT,
    CONSTRAINT session_id_key PRIMARY KEY (id),
    CONSTRAINT session_hash_key UNIQUE (hash)
);
CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_until ON session (over_at);

CREATE TABLE session_application (
    session_id     TEXT NOT NULL,
    application_id TEXT NOT NULL,
    CONSTRAINT session_application_key PRIMARY KEY (session_id, application_id),
    CONSTRAINT session_application_session_exists
        FOREIGN KEY (session_id) REFERENCES session (id) ON DELETE CASCADE
);

-- Codes live for seconds, so those of a user or grant are found among the few that have not expired.
CREATE TABLE authorization_code (
    hash           TEXT   NOT NULL,
    grant_id       TEXT   NOT NULL,
    user_id        TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    approval       TEXT   NOT NULL,
    redirect_uri   TEXT,
    code_challenge TEXT,
    device_code_id TEXT,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    redeemed_at    BIGINT,
    CONSTRAINT authorization_code_key PRIMARY KEY (hash)
);
CREATE INDEX authorization_code_until ON authorization_code (expires_at);

CREATE TABLE refresh_token (
    id              TEXT   NOT NULL,
    hash            TEXT   NOT NULL,
    grant_id        TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    application_id  TEXT   NOT NULL,
    approval        TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    last_used_at    BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    -- The earlier of the two.
    over_at         BIGINT NOT NULL,
    rotated_at      BIGINT,
    revoked_at      BIGINT,
    device_name     TEXT,
    CONSTRAINT refresh_token_id_key PRIMARY KEY (id),
    CONSTRAINT refresh_token_hash_key UNIQUE (hash)
);
CREATE INDEX refresh_token_of_grant ON refresh_token (grant_id);
CREATE INDEX refresh_token_of_user ON refresh_token (user_id);
CREATE INDEX refresh_token_of_application ON refresh_token (application_id);
CREATE INDEX refresh_token_until ON refresh_token (over_at);

CREATE TABLE device_code (
    id             TEXT   NOT NULL,
    hash           TEXT   NOT NULL,
    user_code_hash TEXT   NOT NULL,
    tenant_id      TEXT   NOT NULL,
    application_id TEXT   NOT NULL,
    scopes         TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    -- These three from the approval on.
    approval       TEXT,
    grant_id       TEXT,
    user_id        TEXT,
    poll_interval  BIGINT NOT NULL,
    last_polled_at BIGINT,
    peer           TEXT,
    device_name    TEXT,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    CONSTRAINT device_code_id_key PRIMARY KEY (id),
    CONSTRAINT device_code_hash_key UNIQUE (hash),
    CONSTRAINT device_code_user_code_key UNIQUE (tenant_id, user_code_hash)
);
CREATE INDEX device_code_until ON device_code (expires_at);

CREATE TABLE revocation (
    kind       TEXT   NOT NULL,
    object_key TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT revocation_key PRIMARY KEY (kind, object_key)
);
CREATE INDEX revocation_until ON revocation (expires_at);
