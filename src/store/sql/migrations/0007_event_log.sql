-- What administrators look up of what happened. Same rules as 0001: TEXT and BIGINT only.

CREATE TABLE event_log (
    id        BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    message   TEXT   NOT NULL,
    stored_at BIGINT NOT NULL,
    CONSTRAINT event_log_id_key PRIMARY KEY (id)
);
CREATE INDEX event_log_since ON event_log (stored_at);
-- Numbers without gaps, so that the oldest ones over the limit are known by their number.
CREATE TABLE event_log_counter (id BIGINT NOT NULL);
INSERT INTO event_log_counter (id) VALUES (0);
