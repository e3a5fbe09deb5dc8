-- im_mark_read as in migration 0004, but for sessions that it has locked only: one that was made between its lock and
-- its count lost a message that was being stored at that moment from its unread count (promise I6).
CREATE OR REPLACE FUNCTION im_mark_read(
  p_user bigint[], p_peer bigint[], p_msg_id text[], p_number bigint[], p_time bigint[], p_now bigint)
RETURNS TABLE (changed boolean, number bigint, client_msg_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  users bigint[];
  peers bigint[];
BEGIN
  -- In the order of im_store_single, so that the two never wait for each other in a circle. What it stores for
  -- these users is from here on either committed and counted below, or adds itself after us (promise I6).
  -- A session that is made from here on is not locked, and so left alone: nobody has read what was not stored when
  -- the read was sent.
  SELECT array_agg(locked.user_id), array_agg(locked.peer_id) INTO users, peers
    FROM (SELECT s.user_id, s.peer_id FROM im_session s
            JOIN (SELECT a.u, a.p FROM unnest(p_user, p_peer) a(u, p)
                  UNION SELECT a.p, a.u FROM unnest(p_user, p_peer) a(u, p)) k
              ON s.user_id = k.u AND s.session_type = 1 AND s.peer_id = k.p
           ORDER BY s.user_id, s.peer_id FOR UPDATE OF s) locked;

  RETURN QUERY
    WITH asked AS MATERIALIZED (
      SELECT a.o, a.u, a.p, a.t, pair.c, s.read_msg_id AS was, s.read_at AS was_at,
             s.last_msg_id AS last, s.unread AS unread_was,
             CASE WHEN a.n > 0 THEN a.n ELSE greatest(
               (SELECT x.msg_id FROM im_message_send x
                 WHERE x.from_id = a.u AND x.client_msg_id = a.i AND x.to_id = a.p),
               (SELECT x.msg_id FROM im_message_send x
                 WHERE x.from_id = a.p AND x.client_msg_id = a.i AND x.to_id = a.u)) END AS n
        FROM unnest(p_user, p_peer, p_msg_id, p_number, p_time) WITH ORDINALITY a(u, p, i, n, t, o)
        JOIN unnest(users, peers) locked(u, p) ON locked.u = a.u AND locked.p = a.p
        JOIN im_session s ON s.user_id = a.u AND s.session_type = 1 AND s.peer_id = a.p
       CROSS JOIN LATERAL (SELECT 'c:' || least(a.u, a.p) || ':' || greatest(a.u, a.p) AS c) pair
    ), furthest AS MATERIALIZED (
      SELECT DISTINCT ON (u, p) * FROM asked WHERE n BETWEEN 1 AND last ORDER BY u, p, n DESC, o
    ), moved AS MATERIALIZED (
      SELECT * FROM furthest WHERE n > was
    ), undelivered AS MATERIALIZED (
      -- Read is delivered: that is the position's to say, so what was left for years is not rewritten row by row.
      -- A copy that the flush of acks has in its hands is being marked there: no need to wait for it.
      SELECT m.msg_to, m.conversation, m.msg_id, k.t
        FROM moved k JOIN im_message_recv m
          ON m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > greatest(k.was, k.n - 1000) AND m.msg_id <= k.n
       WHERE m.delivered = 0 LIMIT 5000 FOR UPDATE OF m SKIP LOCKED
    ), delivered AS (
      UPDATE im_message_recv m SET delivered = 1, delivered_at = d.t FROM undelivered d
       WHERE m.msg_to = d.msg_to AND m.conversation = d.conversation AND m.msg_id = d.msg_id
    ), counted AS (
      -- What is left, or less what was read: whichever is fewer rows. Each row is counted at most about once.
      SELECT k.*, CASE WHEN k.last - k.n <= k.n - k.was THEN
               (SELECT count(*) FROM im_message_recv m
                 WHERE m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > k.n AND m.msg_type <> 6)
             ELSE k.unread_was -
               (SELECT count(*) FROM im_message_recv m
                 WHERE m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > k.was AND m.msg_id <= k.n
                   AND m.msg_type <> 6) END AS unread
        FROM moved k
    ), positions AS (
      -- One row per session: both users may have read in one batch, and one may talk to themselves.
      SELECT e.u, e.p, max(e.mine) AS mine, max(e.t) AS t, max(e.unread) AS unread, max(e.theirs) AS theirs
        FROM (SELECT u, p, n AS mine, t, unread, NULL::bigint AS theirs FROM counted
              UNION ALL SELECT p, u, NULL, NULL, NULL, n FROM counted) e
       GROUP BY e.u, e.p
    ), sessions AS (
      UPDATE im_session s
         SET read_msg_id = coalesce(k.mine, s.read_msg_id),
             read_at = coalesce(k.t, s.read_at),
             peer_read_msg_id = greatest(s.peer_read_msg_id, k.theirs),
             unread = coalesce(k.unread, s.unread),
             updated = greatest(s.updated, p_now)
        FROM positions k
       WHERE s.user_id = k.u AND s.session_type = 1 AND s.peer_id = k.p
    )
    SELECT f.o IS NOT NULL, f.n, coalesce(theirs.client_msg_id, mine.client_msg_id)
      FROM unnest(p_user) WITH ORDINALITY a(u, o)
      LEFT JOIN furthest f ON f.o = a.o AND (f.n > f.was OR f.n = f.was AND f.t = f.was_at)
      LEFT JOIN im_message_recv theirs ON theirs.msg_to = f.u AND theirs.conversation = f.c AND theirs.msg_id = f.n
      LEFT JOIN im_message_send mine ON mine.from_id = f.u AND mine.to_id = f.p AND mine.msg_id = f.n
     ORDER BY a.o;
END $$;
