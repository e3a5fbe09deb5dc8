-- Read positions in groups (spec 2, "Read and unread").

-- Moves them; one element of each array per read, in the order they came. As im_mark_read does for single chats:
--   p_number: 0 = the highest number of p_msg_id that the reader may see in the group; else it decides
--   p_time:   ms, when the gate got the read
-- Answers one row per read, in order:
--   changed: this read moved the position, or is the one that did. Of several reads of one user and group only the
--            furthest counts. A position never moves back, nor to a message that the membership does not cover.
--   number, client_msg_id: of the message that was read; null where nothing changed
CREATE FUNCTION im_mark_group_read(
  p_user bigint[], p_group bigint[], p_msg_id text[], p_number bigint[], p_time bigint[], p_now bigint)
RETURNS TABLE (changed boolean, number bigint, client_msg_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  numbers bigint[];
  ids     text[];
  joined  bigint[];
BEGIN
  -- What was read is stored for good: it needs no lock.
  SELECT array_agg(x.msg_id ORDER BY a.o), array_agg(x.client_msg_id ORDER BY a.o),
         array_agg(k.joined_at_msg_id ORDER BY a.o)
    INTO numbers, ids, joined
    FROM unnest(p_user, p_group, p_msg_id, p_number) WITH ORDINALITY a(u, g, i, n, o)
    LEFT JOIN im_group_member k ON k.group_id = a.g AND k.user_id = a.u
    LEFT JOIN LATERAL (
      (SELECT y.msg_id, y.client_msg_id FROM im_message_group y
        WHERE a.n > 0 AND y.group_id = a.g AND y.msg_id = a.n
          AND y.msg_id >= k.joined_at_msg_id AND (k.left_at_msg_id IS NULL OR y.msg_id < k.left_at_msg_id))
      UNION ALL
      (SELECT y.msg_id, y.client_msg_id FROM im_message_group y
        WHERE a.n = 0 AND y.group_id = a.g AND y.client_msg_id = a.i
          AND y.msg_id >= k.joined_at_msg_id AND (k.left_at_msg_id IS NULL OR y.msg_id < k.left_at_msg_id)
        ORDER BY y.msg_id DESC LIMIT 1)) x ON true;

  -- History shows a message before its fan-out does, so a member may have read what is not in their list yet. Then
  -- the sessions of all are locked by this, in the same order.
  IF EXISTS (SELECT FROM unnest(p_user, p_group, numbers) a(u, g, n)
              WHERE a.n IS NOT NULL AND NOT EXISTS (
                SELECT FROM im_session s WHERE s.user_id = a.u AND s.session_type = 2 AND s.peer_id = a.g)) THEN
    INSERT INTO im_session AS s (user_id, session_type, peer_id, created, updated)
      SELECT DISTINCT a.u, 2, a.g, p_now, p_now FROM unnest(p_user, p_group, numbers) a(u, g, n)
       WHERE a.n IS NOT NULL ORDER BY 1, 3
      ON CONFLICT (user_id, session_type, peer_id) DO UPDATE SET read_at = s.read_at;
  END IF;
  -- In the order of the fan-out, so that the two never wait for each other in a circle. Copies that it makes for these
  -- readers are from here on either committed and counted below, or add themselves after us (promise I6).
  PERFORM FROM im_session s
    JOIN (SELECT DISTINCT a.u, a.g FROM unnest(p_user, p_group, numbers) a(u, g, n) WHERE a.n IS NOT NULL) k
      ON s.user_id = k.u AND s.session_type = 2 AND s.peer_id = k.g
   ORDER BY s.user_id, s.peer_id FOR UPDATE OF s;

  RETURN QUERY
    WITH furthest AS MATERIALIZED (
      SELECT DISTINCT ON (a.u, a.g) a.*, 'g:' || a.g AS c, s.read_msg_id AS was, s.read_at AS was_at,
             s.last_msg_id AS last, s.unread AS unread_was
        FROM unnest(p_user, p_group, p_time, numbers, ids, joined) WITH ORDINALITY a(u, g, t, n, i, j, o)
        JOIN im_session s ON s.user_id = a.u AND s.session_type = 2 AND s.peer_id = a.g
       WHERE a.n IS NOT NULL ORDER BY a.u, a.g, a.n DESC, a.o
    ), moved AS MATERIALIZED (
      SELECT * FROM furthest WHERE n > was
    ), undelivered AS MATERIALIZED (
      -- As in im_mark_read: the position speaks for what is older, and what the flush of acks holds is marked there.
      SELECT m.msg_to, m.conversation, m.msg_id, k.t
        FROM moved k JOIN im_message_recv m
          ON m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > greatest(k.was, k.n - 1000) AND m.msg_id <= k.n
       WHERE m.delivered = 0 LIMIT 5000 FOR UPDATE OF m SKIP LOCKED
    ), delivered AS (
      UPDATE im_message_recv m SET delivered = 1, delivered_at = d.t FROM undelivered d
       WHERE m.msg_to = d.msg_to AND m.conversation = d.conversation AND m.msg_id = d.msg_id
    ), counted AS (
      -- What is left, or less what was read: whichever is fewer rows. A position below the horizon is that of an
      -- earlier membership, or none: what was counted then says nothing.
      SELECT k.*, CASE WHEN k.was < k.j OR k.last - k.n <= k.n - k.was THEN
               (SELECT count(*) FROM im_message_recv m
                 WHERE m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > k.n AND m.msg_type <> 6)
             ELSE k.unread_was -
               (SELECT count(*) FROM im_message_recv m
                 WHERE m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > k.was AND m.msg_id <= k.n
                   AND m.msg_type <> 6) END AS unread
        FROM moved k
    ), sessions AS (
      UPDATE im_session s
         SET read_msg_id = k.n, read_at = k.t, unread = k.unread, updated = greatest(s.updated, p_now)
        FROM counted k
       WHERE s.user_id = k.u AND s.session_type = 2 AND s.peer_id = k.g
    )
    SELECT f.o IS NOT NULL, f.n, f.i
      FROM unnest(p_user) WITH ORDINALITY a(u, o)
      LEFT JOIN furthest f ON f.o = a.o AND (f.n > f.was OR f.n = f.was AND f.t = f.was_at)
     ORDER BY a.o;
END $$;
