-- What is stored of the delivery of group messages is removed by age before the messages are
-- (docs/operate/retention.md). Only what the reader's position says too: all up to it was read, and so received.

-- Removes these users' rows of group messages that they have read and that were stored before p_before, at most about
-- p_rows. Answers how many; 0: there are no more.
-- Positions only rise: whoever moves one while this runs counts no row that is removed here.
CREATE FUNCTION im_remove_deliveries(p_user bigint[], p_before bigint, p_rows integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  s       record;
  r       record;
  upto    bigint;
  gone    integer;
  removed integer := 0;
BEGIN
  FOR s IN SELECT x.user_id, 'g:' || x.peer_id AS conversation, x.read_msg_id FROM im_session x
            WHERE x.user_id = ANY (p_user) AND x.session_type = 2 AND x.read_msg_id > 0
            ORDER BY x.user_id, x.peer_id LOOP
    upto := NULL;
    -- A loop, since it looks at hardly more than what is old.
    FOR r IN SELECT m.msg_id, m.send_time FROM im_message_recv m
              WHERE m.msg_to = s.user_id AND m.conversation = s.conversation AND m.msg_id <= s.read_msg_id
              ORDER BY m.msg_id LIMIT p_rows - removed LOOP
      EXIT WHEN r.send_time >= p_before;
      upto := r.msg_id;
    END LOOP;
    CONTINUE WHEN upto IS NULL;
    DELETE FROM im_message_recv m
     WHERE m.msg_to = s.user_id AND m.conversation = s.conversation AND m.msg_id <= upto;
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    EXIT WHEN removed >= p_rows;
  END LOOP;
  RETURN removed;
END $$;

-- Removes what devices of these users acked of groups by reading, where the user has read all of it or its messages
-- are gone. Who is acking for such a device at this moment keeps it. Answers how many.
CREATE FUNCTION im_remove_group_acks(p_user bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  removed integer;
BEGIN
  DELETE FROM im_group_ack a USING (
    SELECT x.user_id, x.group_id, x.device
      FROM im_group_ack x
      JOIN im_conversation c ON c.conversation = 'g:' || x.group_id
      LEFT JOIN im_session s ON s.user_id = x.user_id AND s.session_type = 2 AND s.peer_id = x.group_id
     WHERE x.user_id = ANY (p_user)
       AND upper(x.numbers) <= greatest(s.read_msg_id + 1, coalesce(
             (SELECT m.msg_id FROM im_message_group m WHERE m.group_id = x.group_id ORDER BY m.msg_id LIMIT 1),
             c.last_msg_id + 1))
       FOR UPDATE OF x SKIP LOCKED) k
   WHERE a.user_id = k.user_id AND a.group_id = k.group_id AND a.device = k.device;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;
