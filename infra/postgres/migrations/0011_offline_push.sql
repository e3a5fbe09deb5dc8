-- Offline push: what users want of it, rounds of what had no answer, and the ledger as app servers read it.

-- A user without a row wants everything, at any hour.
CREATE TABLE im_push_settings (
  user_id    bigint PRIMARY KEY,
  quiet_from smallint CHECK (quiet_from BETWEEN 0 AND 1439), -- minutes from midnight; NULL: no quiet hours
  quiet_to   smallint CHECK (quiet_to BETWEEN 0 AND 1439),
  time_zone  text,                                           -- IANA
  mentions   boolean NOT NULL DEFAULT true,                  -- mentions are shown all the same
  preview    boolean NOT NULL DEFAULT true,
  updated    bigint NOT NULL,
  CHECK ((quiet_from IS NULL) = (quiet_to IS NULL) AND (quiet_from IS NULL) = (time_zone IS NULL))
);

ALTER TABLE im_push_ledger
  ADD COLUMN conversation  text COLLATE "C",            -- NULL: written before this migration
  ADD COLUMN server_msg_id bigint NOT NULL DEFAULT 0,
  ADD COLUMN round         integer NOT NULL DEFAULT 0;  -- rounds that are over; attempts counts calls of providers

-- The newest of a user, page by page, and what has become too old.
CREATE INDEX im_push_ledger_newest ON im_push_ledger (reader_id, created);

-- One installation of an app belongs to whoever used it last.
CREATE INDEX im_push_token_installation ON im_push_token (provider, md5(token));
