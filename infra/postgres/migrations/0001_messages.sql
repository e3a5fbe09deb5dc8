-- Users, conversations, messages and session lists (spec 5-storage).
-- All times are milliseconds since 1970 (bigint), as on the wire.

CREATE TABLE im_user (
  user_id       bigint PRIMARY KEY CHECK (user_id > 0 AND user_id < 281474976710656),
  nick_name     text NOT NULL,
  avatar_url    text,
  attach_info   text,
  token_version integer NOT NULL DEFAULT 1,
  active        boolean NOT NULL DEFAULT true,
  robot_webhook text,
  robot_secret  text,
  created       bigint NOT NULL,
  updated       bigint NOT NULL
);

-- The last number given in each conversation. The row is locked by the transaction that numbers:
-- that lock, and nothing else, is what makes numbers dense (promise I4).
CREATE TABLE im_conversation (
  conversation text COLLATE "C" PRIMARY KEY,
  last_msg_id  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- A message as its sender wrote it: one row per message, found by (from_id, client_msg_id).
CREATE TABLE im_message_send (
  from_id       bigint NOT NULL,
  client_msg_id text COLLATE "C" NOT NULL,
  msg_id        bigint NOT NULL,            -- server_msg_id: dense per conversation
  to_id         bigint NOT NULL,            -- the user or group written to
  group_id      bigint,                     -- NULL for single chat
  msg_type      smallint NOT NULL,
  msg_content   bytea NOT NULL,
  content_hash  bytea NOT NULL,             -- of what the sender sent; repeats are compared with it
  attach        text,
  mention       bigint[],
  msg_res_code  smallint NOT NULL DEFAULT 0,
  msg_feature   smallint NOT NULL DEFAULT 0,
  msg_status    smallint NOT NULL DEFAULT 5,
  cmd_id        integer NOT NULL,
  msg_seq       integer NOT NULL,           -- the sender's header; 0 over REST
  client_type   smallint NOT NULL,
  acked_by      text[] NOT NULL DEFAULT '{}', -- the sender's other devices that have it
  created       bigint NOT NULL,
  updated       bigint NOT NULL,
  UNIQUE (from_id, client_msg_id)
) PARTITION BY HASH (from_id);

-- A message as one reader has it: one row per reader but the sender.
CREATE TABLE im_message_recv (
  msg_to        bigint NOT NULL,
  conversation  text COLLATE "C" NOT NULL,
  msg_id        bigint NOT NULL,
  msg_from      bigint NOT NULL,
  group_id      bigint,
  client_msg_id text COLLATE "C" NOT NULL,
  client_type   smallint NOT NULL,
  msg_type      smallint NOT NULL,
  content       bytea,                      -- single chat; a group's content is stored once
  attach        text,
  mention       bigint[],
  msg_feature   smallint NOT NULL DEFAULT 0,
  cmd_id        integer NOT NULL,
  msg_seq       integer NOT NULL,
  send_time     bigint NOT NULL,            -- the server's
  delivered     smallint NOT NULL DEFAULT 0, -- 1 with the first device's ack
  delivered_at  bigint,
  acked_by      text[] NOT NULL DEFAULT '{}', -- the devices that acked
  PRIMARY KEY (msg_to, conversation, msg_id)
) PARTITION BY HASH (msg_to);

DO $$ BEGIN
  FOR n IN 0..3 LOOP
    -- Room on each page for the new version of each received row: an ack changes it once, and rewrites no index
    -- where that fits (a HOT update).
    EXECUTE format('CREATE TABLE im_message_send_%s PARTITION OF im_message_send FOR VALUES WITH (MODULUS 4, REMAINDER %s) WITH (fillfactor = 90)', n, n);
    EXECUTE format('CREATE TABLE im_message_recv_%s PARTITION OF im_message_recv FOR VALUES WITH (MODULUS 4, REMAINDER %s) WITH (fillfactor = 45)', n, n);
  END LOOP;
END $$;

-- History of what one wrote to whom.
CREATE INDEX im_message_send_history ON im_message_send (from_id, to_id, msg_id);

-- A conversation in someone's list. Nothing that a message changes is indexed: each message updates two of these rows,
-- which so rewrites no index. Lists read all of a user's rows by the key; the total of unread needs them anyway.
CREATE TABLE im_session (
  user_id          bigint NOT NULL,
  session_type     smallint NOT NULL,
  peer_id          bigint NOT NULL,
  session_status   smallint NOT NULL DEFAULT 0,
  is_robot_session boolean NOT NULL DEFAULT false,
  last_msg_id      bigint NOT NULL DEFAULT 0,
  read_msg_id      bigint NOT NULL DEFAULT 0,  -- this user has read up to here
  peer_read_msg_id bigint NOT NULL DEFAULT 0,  -- the peer has (single chat)
  unread           integer NOT NULL DEFAULT 0, -- exact: changed only with the rows it counts (promise I6)
  pinned           boolean NOT NULL DEFAULT false,
  muted            boolean NOT NULL DEFAULT false,
  draft            text,
  extend_data      text CHECK (octet_length(extend_data) <= 4096),
  created          bigint NOT NULL,
  updated          bigint NOT NULL,
  PRIMARY KEY (user_id, session_type, peer_id)
) WITH (fillfactor = 50);

-- Devices that ever logged in: who may be notified when offline.
CREATE TABLE im_device (
  user_id     bigint NOT NULL,
  client_type smallint NOT NULL,
  device_id   text COLLATE "C" NOT NULL DEFAULT '',
  last_login  bigint NOT NULL,
  logged_out  boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, client_type, device_id)
) WITH (fillfactor = 70);

-- Where a device can be notified; the providers are tried in order.
CREATE TABLE im_push_token (
  user_id     bigint NOT NULL,
  client_type smallint NOT NULL,
  device_id   text COLLATE "C" NOT NULL DEFAULT '',
  provider    text NOT NULL,
  token       text NOT NULL,
  position    smallint NOT NULL DEFAULT 0,
  created     bigint NOT NULL,
  PRIMARY KEY (user_id, client_type, device_id, provider)
);

-- At most one notification per message and device; the row is committed before the provider is called.
CREATE TABLE im_push_ledger (
  reader_id       bigint NOT NULL,
  device          text COLLATE "C" NOT NULL, -- client type, or type:device_id
  from_id         bigint NOT NULL,
  client_msg_id   text COLLATE "C" NOT NULL,
  notification_id uuid NOT NULL,
  reason          text NOT NULL,             -- why it was triggered
  state           text NOT NULL,             -- pending, sent, failed, suppressed
  provider        text,
  answer          text,
  attempts        integer NOT NULL DEFAULT 0,
  created         bigint NOT NULL,
  updated         bigint NOT NULL,
  PRIMARY KEY (reader_id, device, from_id, client_msg_id)
);
