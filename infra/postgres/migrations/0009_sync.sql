-- The timeline of a user over all their sessions (spec 2, "Pulling": Sync). A message takes a number in it, the
-- cursor, when the user syncs, not when it is stored: sending pays nothing for it. What a sync finds new in a session
-- is one row, however many messages it is.

-- The last cursor given. Locked by the sync that gives the next ones, so none commits below one that was given out.
CREATE TABLE im_timeline (
  user_id     bigint PRIMARY KEY,
  last_cursor bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- How far each session is in the timeline.
CREATE TABLE im_timeline_session (
  user_id      bigint NOT NULL,
  session_type smallint NOT NULL,
  peer_id      bigint NOT NULL,
  msg_id       bigint NOT NULL,
  PRIMARY KEY (user_id, session_type, peer_id)
) WITH (fillfactor = 50);

-- A span of one session: its message n has the cursor last_cursor - (last_msg_id - n).
CREATE TABLE im_timeline_span (
  user_id      bigint NOT NULL,
  last_cursor  bigint NOT NULL,
  session_type smallint NOT NULL,
  peer_id      bigint NOT NULL,
  first_msg_id bigint NOT NULL,
  last_msg_id  bigint NOT NULL,
  PRIMARY KEY (user_id, last_cursor)
);

-- Gives cursors to what is new for these users, save for who has a page's worth of older ones before them.
-- One element of each array per sync. The numbers of a conversation are given under its lock, so all up to a
-- session's last one are committed. Of a group only what the membership covers; the session that was quiet for
-- longest comes first.
CREATE FUNCTION im_extend_timelines(p_user bigint[], p_cursor bigint[], p_limit integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  users bigint[];
BEGIN
  INSERT INTO im_timeline (user_id)
    SELECT DISTINCT a.u FROM unnest(p_user) a(u)
     WHERE NOT EXISTS (SELECT FROM im_timeline t WHERE t.user_id = a.u) ORDER BY 1
    ON CONFLICT DO NOTHING;
  PERFORM FROM im_timeline t WHERE t.user_id = ANY (p_user) ORDER BY t.user_id FOR UPDATE;

  -- Only now, under the locks, can be seen what another sync of the same user has given.
  SELECT array_agg(DISTINCT a.u) INTO users
    FROM unnest(p_user, p_cursor, p_limit) a(u, c, n) JOIN im_timeline t ON t.user_id = a.u
   WHERE t.last_cursor - a.c < a.n;

  WITH spans AS MATERIALIZED (
    SELECT s.user_id, s.session_type, s.peer_id, s.updated,
           greatest(coalesce(p.msg_id, 0) + 1, k.joined_at_msg_id) AS first,
           least(s.last_msg_id, k.left_at_msg_id - 1) AS last
      FROM unnest(users) a(u)
      JOIN im_session s ON s.user_id = a.u
      LEFT JOIN im_timeline_session p
        ON p.user_id = s.user_id AND p.session_type = s.session_type AND p.peer_id = s.peer_id
      LEFT JOIN im_group_member k ON s.session_type = 2 AND k.group_id = s.peer_id AND k.user_id = s.user_id
     WHERE s.last_msg_id > coalesce(p.msg_id, 0) AND (s.session_type = 1 OR k.user_id IS NOT NULL)
  ), placed AS MATERIALIZED (
    SELECT x.*, t.last_cursor + sum(x.last - x.first + 1) OVER (
             PARTITION BY x.user_id ORDER BY x.updated, x.session_type, x.peer_id) AS cursor
      FROM spans x JOIN im_timeline t ON t.user_id = x.user_id WHERE x.first <= x.last
  ), added AS (
    INSERT INTO im_timeline_span (user_id, last_cursor, session_type, peer_id, first_msg_id, last_msg_id)
      SELECT user_id, cursor, session_type, peer_id, first, last FROM placed
  ), positions AS (
    INSERT INTO im_timeline_session (user_id, session_type, peer_id, msg_id)
      SELECT user_id, session_type, peer_id, last FROM placed
    ON CONFLICT (user_id, session_type, peer_id) DO UPDATE SET msg_id = excluded.msg_id
  )
  UPDATE im_timeline t SET last_cursor = m.cursor
    FROM (SELECT user_id, max(cursor) AS cursor FROM placed GROUP BY user_id) m
   WHERE t.user_id = m.user_id;
END $$;

-- The first p_limit messages of a user's timeline after a cursor, as that user has them.
CREATE FUNCTION im_timeline_page(p_user bigint, p_cursor bigint, p_limit integer)
RETURNS TABLE (cursor bigint, number bigint, client_msg_id text, sender bigint, receiver bigint, msg_type smallint,
               content bytea, attach text, client_type smallint, stored_at bigint, read boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  span  im_timeline_span;
  space integer := p_limit;
  added integer;
BEGIN
  FOR span IN SELECT * FROM im_timeline_span x WHERE x.user_id = p_user AND x.last_cursor > p_cursor
               ORDER BY x.last_cursor LOOP
    span.first_msg_id := greatest(span.first_msg_id, span.last_msg_id - (span.last_cursor - p_cursor) + 1);
    IF span.session_type = 1 THEN
      RETURN QUERY
        SELECT span.last_cursor - (span.last_msg_id - m.msg_id), m.*,
               m.msg_id <= CASE WHEN m.sender = p_user THEN s.peer_read_msg_id ELSE s.read_msg_id END
          FROM (
            (SELECT x.msg_id, x.client_msg_id, x.from_id AS sender, x.to_id, x.msg_type, x.msg_content, x.attach,
                    x.client_type, x.created
               FROM im_message_send x
              WHERE x.from_id = p_user AND x.to_id = span.peer_id
                AND x.msg_id >= span.first_msg_id AND x.msg_id <= span.last_msg_id
              ORDER BY x.msg_id LIMIT space)
            UNION ALL
            (SELECT r.msg_id, r.client_msg_id, r.msg_from, r.msg_to, r.msg_type, r.content, r.attach,
                    r.client_type, r.send_time
               FROM im_message_recv r
              WHERE r.msg_to = p_user
                AND r.conversation = 'c:' || least(p_user, span.peer_id) || ':' || greatest(p_user, span.peer_id)
                AND r.msg_id >= span.first_msg_id AND r.msg_id <= span.last_msg_id
              ORDER BY r.msg_id LIMIT space)) m
          JOIN im_session s ON s.user_id = p_user AND s.session_type = 1 AND s.peer_id = span.peer_id
         ORDER BY m.msg_id LIMIT space;
    ELSE
      -- The membership may have ended, or begun anew, since the span was made.
      RETURN QUERY
        SELECT span.last_cursor - (span.last_msg_id - x.msg_id), x.msg_id, x.client_msg_id, x.msg_from, x.group_id,
               x.msg_type, x.content, x.attach, x.client_type, x.send_time,
               x.msg_from <> p_user AND x.msg_id <= s.read_msg_id
          FROM im_group_member k
          JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = k.group_id
          JOIN im_message_group x
            ON x.group_id = span.peer_id AND x.msg_id >= span.first_msg_id AND x.msg_id <= span.last_msg_id
         WHERE k.group_id = span.peer_id AND k.user_id = p_user AND x.msg_id >= k.joined_at_msg_id
           AND (k.left_at_msg_id IS NULL OR x.msg_id < k.left_at_msg_id)
         ORDER BY x.msg_id LIMIT space;
    END IF;
    GET DIAGNOSTICS added = ROW_COUNT;
    space := space - added;
    EXIT WHEN space <= 0;
  END LOOP;
END $$;
