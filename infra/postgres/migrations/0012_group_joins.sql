-- Joining a group by approval, or by invitation with consent (spec 2, "Group chat" 6).

-- An application to join, or an invitation: one per group and user. Written under the lock of the group's conversation.
-- Gone when its user joins or the group is disbanded; what is expired counts for nothing, and is deleted when the next
-- one is opened in that group.
CREATE TABLE im_group_join (
  group_id     bigint NOT NULL,
  user_id      bigint NOT NULL,              -- who is to join
  kind         smallint NOT NULL,            -- 1 application, 2 invitation
  from_user_id bigint NOT NULL,              -- who applied, or who invited
  state        smallint NOT NULL,            -- 1 open, 2 refused
  join_text    text NOT NULL,
  request_id   text COLLATE "C" NOT NULL,    -- of the request that wrote it last: the same again says it again
  create_time  bigint NOT NULL,
  expire_time  bigint NOT NULL,
  PRIMARY KEY (group_id, user_id)
) WITH (fillfactor = 70);
CREATE INDEX im_group_join_of_user ON im_group_join (user_id, group_id);
