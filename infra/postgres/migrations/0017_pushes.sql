-- Pushes of businesses (spec 3): what was asked for, and how far it came with each receiver. Kept for 30 days, in
-- which the same push_id is not delivered again.

CREATE TABLE im_push (
  push_id   text COLLATE "C" PRIMARY KEY,
  place     text NOT NULL,   -- partition:offset of the record that asked: read again, it is not a repeat
  digest    text NOT NULL,   -- of what was asked: the push_id must not be used for something else
  push_type text NOT NULL,
  payload   bytea NOT NULL,
  offline   text NOT NULL,   -- drop, store, notify
  title     text,
  body      text,
  created   bigint NOT NULL,
  expires   bigint NOT NULL
);
CREATE INDEX im_push_age ON im_push (created);

CREATE TABLE im_push_receiver (
  push_id  text COLLATE "C" NOT NULL,
  user_id  bigint NOT NULL,
  state    text NOT NULL,    -- open (sent, or about to be), stored; acked, dropped_offline, notified, expired, rejected
  reason   text,
  sent_at  bigint,           -- first written to a socket, and to that of which device
  sent_to  text COLLATE "C",
  acked_at bigint,           -- first acked, and by which device
  acked_by text COLLATE "C",
  expires  bigint NOT NULL,
  updated  bigint NOT NULL,
  PRIMARY KEY (push_id, user_id)
) WITH (fillfactor = 60);
-- What a device is given when it logs in.
CREATE INDEX im_push_receiver_waiting ON im_push_receiver (user_id, push_id) WHERE state IN ('open', 'stored');
CREATE INDEX im_push_receiver_expiry ON im_push_receiver (expires) WHERE state = 'stored';
