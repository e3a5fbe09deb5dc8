-- Groups, their members, and their messages (spec 5-storage; spec 2, "Group chat").

-- From 2^48 up, so that one number never names a user and a group.
CREATE SEQUENCE im_group_id START 281474976710656;

CREATE TABLE im_group (
  group_id        bigint PRIMARY KEY DEFAULT nextval('im_group_id'),
  group_name      text NOT NULL CHECK (char_length(group_name) <= 32),
  owner_id        bigint NOT NULL,
  create_user_id  bigint NOT NULL,
  announcement    text NOT NULL DEFAULT '' CHECK (char_length(announcement) <= 1024),
  intro           text NOT NULL DEFAULT '',
  avatar          text NOT NULL DEFAULT '',
  group_type      smallint NOT NULL DEFAULT 1, -- 1 normal, 2 super
  mute_model      smallint NOT NULL DEFAULT 0, -- 1: only the owner and admins may send
  join_model      smallint NOT NULL DEFAULT 0,
  be_invite_model smallint NOT NULL DEFAULT 0,
  version         integer NOT NULL DEFAULT 1,  -- rises with each change of the group or its members
  member_count    integer NOT NULL,
  disbanded       boolean NOT NULL DEFAULT false,
  create_time     bigint NOT NULL,
  update_time     bigint NOT NULL
) WITH (fillfactor = 70);

-- A user's latest membership. A reader of message n is who has joined_at_msg_id <= n < left_at_msg_id. Every change
-- is made under the lock of the conversation (im_conversation 'g:<id>') and takes a number of its own there: that of
-- its NOTIFICATION message. Joining again starts a new horizon.
CREATE TABLE im_group_member (
  group_id         bigint NOT NULL,
  user_id          bigint NOT NULL,
  role             smallint NOT NULL DEFAULT 0, -- 0 member, 1 admin, 2 owner
  joined_at_msg_id bigint NOT NULL,
  left_at_msg_id   bigint,                      -- NULL: still a member
  mute_until       bigint NOT NULL DEFAULT 0,   -- ms
  created          bigint NOT NULL,
  PRIMARY KEY (group_id, user_id)
) WITH (fillfactor = 70);
CREATE INDEX im_group_member_of_user ON im_group_member (user_id, group_id) WHERE left_at_msg_id IS NULL;

-- A group message with its content, once, written in the transaction that numbers it.
CREATE TABLE im_message_group (
  group_id      bigint NOT NULL,
  msg_id        bigint NOT NULL,
  msg_from      bigint NOT NULL,
  client_msg_id text COLLATE "C" NOT NULL,
  client_type   smallint NOT NULL,
  msg_type      smallint NOT NULL,
  content       bytea NOT NULL,
  attach        text,
  mention       bigint[],
  cmd_id        integer NOT NULL,
  msg_seq       integer NOT NULL,
  send_time     bigint NOT NULL,
  PRIMARY KEY (group_id, msg_id)
) PARTITION BY HASH (group_id);

DO $$ BEGIN
  FOR n IN 0..3 LOOP
    EXECUTE format('CREATE TABLE im_message_group_%s PARTITION OF im_message_group FOR VALUES WITH (MODULUS 4, REMAINDER %s)', n, n);
  END LOOP;
END $$;
-- Found by the sender's msg_id.
CREATE INDEX im_message_group_client ON im_message_group (group_id, client_msg_id);
