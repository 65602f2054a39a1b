-- One text for SQLite and PostgreSQL: TEXT and BIGINT only, times in Unix seconds, lists as JSON text.

CREATE TABLE tenant (
    id                     TEXT   NOT NULL,
    name                   TEXT   NOT NULL,
    issuer                 TEXT,
    profile                TEXT   NOT NULL,
    access_token_for       BIGINT NOT NULL,
    access_token_algorithm TEXT   NOT NULL,
    id_token_algorithm     TEXT   NOT NULL,
    managed_by             TEXT,
    created_at             BIGINT NOT NULL,
    updated_at             BIGINT NOT NULL,
    CONSTRAINT tenant_id_key PRIMARY KEY (id),
    CONSTRAINT tenant_name_key UNIQUE (name)
);

CREATE TABLE entity_type (
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    managed_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT entity_type_id_key PRIMARY KEY (id),
    CONSTRAINT entity_type_name_key UNIQUE (name)
);

CREATE TABLE permission (
    id          TEXT   NOT NULL,
    type_id     TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT,
    is_default  BIGINT NOT NULL,
    CONSTRAINT permission_id_key PRIMARY KEY (id),
    CONSTRAINT permission_name_key UNIQUE (type_id, name),
    CONSTRAINT permission_type_exists FOREIGN KEY (type_id) REFERENCES entity_type (id) ON DELETE CASCADE
);

CREATE TABLE entity (
    id             TEXT   NOT NULL,
    tenant_id      TEXT   NOT NULL,
    type_id        TEXT   NOT NULL,
    name           TEXT   NOT NULL,
    client_id      TEXT   NOT NULL,
    client_secrets TEXT   NOT NULL,
    managed_by     TEXT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CONSTRAINT entity_id_key PRIMARY KEY (id),
    CONSTRAINT entity_name_key UNIQUE (tenant_id, name),
    CONSTRAINT entity_client_id_key UNIQUE (tenant_id, client_id),
    CONSTRAINT entity_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id),
    CONSTRAINT entity_type_exists FOREIGN KEY (type_id) REFERENCES entity_type (id)
);
CREATE INDEX entity_of_type ON entity (type_id);

CREATE TABLE entity_grant (
    id           TEXT   NOT NULL,
    target_id    TEXT   NOT NULL,
    recipient_id TEXT   NOT NULL,
    managed_by   TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    CONSTRAINT entity_grant_id_key PRIMARY KEY (id),
    CONSTRAINT entity_grant_key UNIQUE (target_id, recipient_id),
    CONSTRAINT entity_grant_target_exists FOREIGN KEY (target_id) REFERENCES entity (id) ON DELETE CASCADE,
    CONSTRAINT entity_grant_recipient_exists FOREIGN KEY (recipient_id) REFERENCES entity (id) ON DELETE CASCADE
);
CREATE INDEX entity_grant_of_recipient ON entity_grant (recipient_id);

-- Rows, not a list: a permission that is renamed or deleted changes in every grant at once.
CREATE TABLE entity_grant_permission (
    grant_id      TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    CONSTRAINT entity_grant_permission_key PRIMARY KEY (grant_id, permission_id),
    CONSTRAINT entity_grant_permission_grant_exists
        FOREIGN KEY (grant_id) REFERENCES entity_grant (id) ON DELETE CASCADE,
    CONSTRAINT entity_grant_permission_exists
        FOREIGN KEY (permission_id) REFERENCES permission (id) ON DELETE CASCADE
);
CREATE INDEX entity_grant_of_permission ON entity_grant_permission (permission_id);

CREATE TABLE signing_key (
    id             TEXT   NOT NULL,
    tenant_id      TEXT,
    algorithm      TEXT   NOT NULL,
    purpose        TEXT   NOT NULL,
    public_jwk     TEXT,
    private_key    TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    published_at   BIGINT NOT NULL,
    signs_from_at  BIGINT NOT NULL,
    retired_at     BIGINT,
    removed_at     BIGINT,
    CONSTRAINT signing_key_id_key PRIMARY KEY (id),
    CONSTRAINT signing_key_tenant_exists FOREIGN KEY (tenant_id) REFERENCES tenant (id) ON DELETE CASCADE
);
-- One current key per slot, whoever asks first.
CREATE UNIQUE INDEX signing_key_current ON signing_key (COALESCE(tenant_id, ''), purpose, algorithm)
    WHERE retired_at IS NULL;

-- The feed. The counter's row is locked until the commit, so the numbers have the order of the commits and no gaps: a
-- reader that saw number n has seen every number below it. A sequence promises neither.
CREATE TABLE change (
    seq        BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    object_id  TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    CONSTRAINT change_seq_key PRIMARY KEY (seq)
);
CREATE TABLE change_counter (seq BIGINT NOT NULL);
INSERT INTO change_counter (seq) VALUES (0);

CREATE TABLE remembered (
    kind       TEXT   NOT NULL,
    key_hash   TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT remembered_key PRIMARY KEY (kind, key_hash)
);
CREATE INDEX remembered_until ON remembered (expires_at);
