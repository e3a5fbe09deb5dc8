-- As before, but messages are found before they are multiplied with members: where the planner did it the other way
-- round, every copy read all messages of its group.
CREATE OR REPLACE FUNCTION im_copy_to_members(
  p_group bigint[], p_msg_id bigint[], p_member_group bigint[], p_member bigint[], p_joined bigint[], p_left bigint[],
  p_now bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH kept AS MATERIALIZED (
    SELECT m.group_id, m.msg_id, m.msg_from, m.client_msg_id, m.client_type, m.msg_type, m.cmd_id, m.msg_seq,
           m.send_time, 'g:' || m.group_id AS conversation
      FROM (SELECT DISTINCT a.g, a.n FROM unnest(p_group, p_msg_id) a(g, n)) k
      JOIN im_message_group m ON m.group_id = k.g AND m.msg_id = k.n
     WHERE NOT im_is_by_reading(k.g, k.n)
  ), copies AS MATERIALIZED (
    SELECT b.u AS r, m.*
      FROM unnest(p_member_group, p_member, p_joined, p_left) b(g, u, j, l)
      JOIN kept m ON m.group_id = b.g
     WHERE b.j <= m.msg_id AND m.msg_id < coalesce(b.l, m.msg_id + 1) AND b.u <> m.msg_from
  ), received AS (
    INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, group_id, client_msg_id, client_type,
                                 msg_type, cmd_id, msg_seq, send_time)
      SELECT r, conversation, msg_id, msg_from, group_id, client_msg_id,
             client_type, msg_type, cmd_id, msg_seq, send_time
        FROM copies ORDER BY r, group_id, msg_id
    ON CONFLICT DO NOTHING
    RETURNING msg_to, group_id, msg_id, msg_type
  ), firsts AS MATERIALIZED (
    SELECT group_id, min(msg_id) AS n FROM received GROUP BY group_id
  )
  INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
    SELECT msg_to, 2, group_id, max(msg_id), count(*) FILTER (WHERE msg_type <> 6), p_now, p_now
      FROM received GROUP BY 1, 3 ORDER BY 1, 3
  ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
    SET last_msg_id = greatest(s.last_msg_id, excluded.last_msg_id),
        -- Rows are counted one by one only for who has read on before the rows came.
        unread = s.unread + CASE
          WHEN s.read_msg_id < (SELECT f.n FROM firsts f WHERE f.group_id = s.peer_id) THEN excluded.unread
          ELSE (SELECT count(*) FROM received n WHERE n.msg_to = s.user_id AND n.group_id = s.peer_id
                   AND n.msg_type <> 6 AND n.msg_id > s.read_msg_id) END,
        updated = greatest(s.updated, excluded.updated), session_status = 0;
END $$;
