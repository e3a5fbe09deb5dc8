-- Two indexes of a message table that begin with the same column look alike to a planner without statistics, as on the
-- first busy minute of a new system: it then found whether a message was a repeat by reading all that its sender had
-- ever written. So each index begins with a column of its own.

DROP INDEX im_message_send_history;
CREATE INDEX im_message_send_history ON im_message_send (to_id, from_id, msg_id);

DROP INDEX im_message_group_client;
CREATE INDEX im_message_group_client ON im_message_group (client_msg_id, group_id);
