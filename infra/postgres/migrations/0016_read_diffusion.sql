-- Read diffusion (spec 2, "Group chat" 7; ADR 18): a message to a large group gives its members no rows. What a member
-- would have counted is counted when they look: their session is settled.

-- From which number on a group's messages are by reading, or by writing again. Written with the number of the change
-- that crossed the limit, under the lock of the conversation: how a message is kept follows from its number for good.
-- Before the first row: by writing.
CREATE TABLE im_group_diffusion (
  group_id    bigint NOT NULL,
  from_msg_id bigint NOT NULL,
  by_reading  boolean NOT NULL,
  PRIMARY KEY (group_id, from_msg_id)
);

-- What the group's messages are now; false of who left. Finds the groups that a user's sessions are settled for.
ALTER TABLE im_group_member ADD COLUMN by_reading boolean NOT NULL DEFAULT false;
CREATE INDEX im_group_member_by_reading ON im_group_member (user_id, group_id) WHERE by_reading;

-- How many messages count as unread, up to the last one and up to each: what lies between two numbers is a difference.
-- NULL before this was counted.
ALTER TABLE im_conversation ADD COLUMN counted bigint NOT NULL DEFAULT 0;
ALTER TABLE im_message_group ADD COLUMN counted bigint;

-- Messages by reading are in `unread` up to this one.
ALTER TABLE im_session ADD COLUMN settled_msg_id bigint NOT NULL DEFAULT 0;

-- What a device has acked of a group's messages by reading; who acks one after the other has one range. What the user
-- has read is not in it: that says more.
CREATE TABLE im_group_ack (
  user_id  bigint NOT NULL,
  group_id bigint NOT NULL,
  device   text COLLATE "C" NOT NULL,
  numbers  int8multirange NOT NULL,
  PRIMARY KEY (user_id, group_id, device)
) PARTITION BY HASH (user_id);

DO $$ BEGIN
  FOR n IN 0..3 LOOP
    EXECUTE format('CREATE TABLE im_group_ack_%s PARTITION OF im_group_ack FOR VALUES WITH (MODULUS 4, REMAINDER %s) WITH (fillfactor = 50)', n, n);
  END LOOP;
END $$;

CREATE FUNCTION im_is_by_reading(p_group bigint, p_msg_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT d.by_reading FROM im_group_diffusion d
                    WHERE d.group_id = p_group AND d.from_msg_id <= p_msg_id
                    ORDER BY d.from_msg_id DESC LIMIT 1), false)
$$;

-- How many messages up to this one count. One that is gone, or was not counted, says what the next one says without
-- itself.
CREATE FUNCTION im_counted(p_group bigint, p_msg_id bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT m.counted FROM im_message_group m WHERE m.group_id = p_group AND m.msg_id = p_msg_id),
    (SELECT m.counted - (m.msg_type <> 6)::integer FROM im_message_group m
      WHERE m.group_id = p_group AND m.msg_id > p_msg_id AND m.counted IS NOT NULL ORDER BY m.msg_id LIMIT 1),
    (SELECT c.counted FROM im_conversation c WHERE c.conversation = 'g:' || p_group), 0)
$$;

-- A member's messages by reading, from number to number: what the membership covers of them, as far as is stored.
CREATE FUNCTION im_spans_by_reading(p_user bigint, p_group bigint) RETURNS TABLE (first bigint, last bigint)
LANGUAGE sql STABLE AS $$
  SELECT greatest(d.from_msg_id, k.joined_at_msg_id), least(d.next - 1, k.left_at_msg_id - 1, c.last_msg_id)
    FROM (SELECT x.from_msg_id, x.by_reading, lead(x.from_msg_id) OVER (ORDER BY x.from_msg_id) AS next
            FROM im_group_diffusion x WHERE x.group_id = p_group) d
    JOIN im_group_member k ON k.group_id = p_group AND k.user_id = p_user
    JOIN im_conversation c ON c.conversation = 'g:' || p_group
   WHERE d.by_reading
$$;

-- How many of a member's messages by reading after one number, up to another, count as unread: not their own.
CREATE FUNCTION im_count_by_reading(p_user bigint, p_group bigint, p_after bigint, p_upto bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(im_counted(p_group, e.upto) - im_counted(p_group, e.after)
           - (SELECT count(*) FROM im_message_send x
               WHERE x.from_id = p_user AND x.to_id = p_group AND x.msg_id > e.after AND x.msg_id <= e.upto
                 AND x.msg_type <> 6)), 0)::bigint
    FROM (SELECT greatest(s.first - 1, p_after) AS after, least(s.last, p_upto) AS upto
            FROM im_spans_by_reading(p_user, p_group) s) e
   WHERE e.after < e.upto
$$;

-- Locks sessions with groups, and makes those that are missing. In the order of all who write sessions of groups, so
-- that they never wait for each other in a circle.
CREATE FUNCTION im_lock_group_sessions(p_user bigint[], p_group bigint[], p_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM unnest(p_user, p_group) a(u, g)
              WHERE NOT EXISTS (SELECT FROM im_session s
                                 WHERE s.user_id = a.u AND s.session_type = 2 AND s.peer_id = a.g)) THEN
    INSERT INTO im_session AS s (user_id, session_type, peer_id, created, updated)
      SELECT DISTINCT a.u, 2, a.g, p_now, 0 FROM unnest(p_user, p_group) a(u, g) ORDER BY 1, 3
      ON CONFLICT (user_id, session_type, peer_id) DO UPDATE SET read_at = s.read_at;
  END IF;
  PERFORM FROM im_session s
    JOIN (SELECT DISTINCT a.u, a.g FROM unnest(p_user, p_group) a(u, g)) k
      ON s.user_id = k.u AND s.session_type = 2 AND s.peer_id = k.g
   ORDER BY s.user_id, s.peer_id FOR UPDATE OF s;
END $$;

-- Brings sessions up to date with the messages by reading that their members may see; a deleted one comes back with
-- the first. What is stored while this runs is for the next time.
CREATE FUNCTION im_settle_sessions(p_user bigint[], p_group bigint[], p_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM im_group_diffusion d WHERE d.group_id = ANY (p_group)) THEN RETURN; END IF;
  PERFORM im_lock_group_sessions(p_user, p_group, p_now);
  -- Only now, under the locks, can be seen what another one has settled.
  WITH newest AS MATERIALIZED (
    SELECT a.u, a.g, max(x.last) AS last
      FROM (SELECT DISTINCT b.u, b.g FROM unnest(p_user, p_group) b(u, g)) a
     CROSS JOIN LATERAL im_spans_by_reading(a.u, a.g) x
     WHERE x.first <= x.last GROUP BY a.u, a.g
  )
  UPDATE im_session s
     SET unread = s.unread + im_count_by_reading(n.u, n.g, greatest(s.settled_msg_id, s.read_msg_id), n.last),
         last_msg_id = greatest(s.last_msg_id, n.last), settled_msg_id = n.last, session_status = 0,
         updated = greatest(s.updated, coalesce((SELECT m.send_time FROM im_message_group m
                                                  WHERE m.group_id = n.g AND m.msg_id = n.last), 0))
    FROM newest n
   WHERE s.user_id = n.u AND s.session_type = 2 AND s.peer_id = n.g AND n.last > s.settled_msg_id;
END $$;

-- Settles whatever sessions of these users have something new by reading.
CREATE FUNCTION im_settle_users(p_user bigint[], p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  users  bigint[];
  groups bigint[];
BEGIN
  SELECT array_agg(k.user_id), array_agg(k.group_id) INTO users, groups
    FROM im_group_member k
    JOIN im_conversation c ON c.conversation = 'g:' || k.group_id
    LEFT JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = k.group_id
   WHERE k.user_id = ANY (p_user) AND k.by_reading AND c.last_msg_id > coalesce(s.settled_msg_id, 0);
  IF users IS NOT NULL THEN PERFORM im_settle_sessions(users, groups, p_now); END IF;
END $$;

-- What settling would add to a user's unread.
CREATE FUNCTION im_unsettled(p_user bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(im_count_by_reading(k.user_id, k.group_id,
                        greatest(s.settled_msg_id, s.read_msg_id, 0), c.last_msg_id)), 0)::bigint
    FROM im_group_member k
    JOIN im_conversation c ON c.conversation = 'g:' || k.group_id
    LEFT JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = k.group_id
   WHERE k.user_id = p_user AND k.by_reading AND c.last_msg_id > coalesce(s.settled_msg_id, 0)
$$;

-- As before, and counts.
CREATE OR REPLACE FUNCTION im_store_group(
  p_from bigint[], p_group bigint[], p_client_msg_id text[], p_conversation text[], p_type smallint[],
  p_content bytea[], p_hash bytea[], p_attach text[], p_mention text[], p_seq integer[],
  p_client_type smallint[], p_now bigint)
RETURNS TABLE (res_code smallint, number bigint, stored_at bigint, repeated boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  verdicts smallint[];
  fresh bigint[];
BEGIN
  -- A group's conversation is made with the group. In one order everywhere, so that two batches never wait for each
  -- other in a circle.
  PERFORM FROM im_conversation x WHERE x.conversation = ANY (p_conversation) ORDER BY x.conversation FOR UPDATE;

  -- Only now, under the locks: every change of a group and its members is made under them too.
  SELECT array_agg(CASE
           WHEN NOT EXISTS (SELECT FROM im_user u WHERE u.user_id = m.f AND u.active) THEN 9
           WHEN g.group_id IS NULL OR g.disbanded OR c.conversation IS NULL THEN 2
           WHEN b.user_id IS NULL THEN 4
           WHEN b.mute_until > p_now OR g.mute_model = 1 AND b.role = 0 THEN 5
           ELSE 0 END::smallint ORDER BY m.o)
    INTO verdicts
    FROM unnest(p_from, p_group, p_conversation) WITH ORDINALITY m(f, g, c, o)
    LEFT JOIN im_group g ON g.group_id = m.g
    LEFT JOIN im_conversation c ON c.conversation = m.c
    LEFT JOIN im_group_member b ON b.group_id = m.g AND b.user_id = m.f AND b.left_at_msg_id IS NULL;

  SELECT array_agg(o ORDER BY o) INTO fresh FROM (
    SELECT DISTINCT ON (m.f, m.i) m.o
      FROM unnest(p_from, p_client_msg_id, verdicts) WITH ORDINALITY m(f, i, v, o)
     WHERE m.v = 0 AND NOT EXISTS (SELECT FROM im_message_send s WHERE s.from_id = m.f AND s.client_msg_id = m.i)
     ORDER BY m.f, m.i, m.o) firsts;

  IF fresh IS NOT NULL THEN
    WITH numbered AS MATERIALIZED (
      SELECT m.*, c.last_msg_id + row_number() OVER (PARTITION BY m.c ORDER BY m.o) AS n,
             c.counted + count(*) FILTER (WHERE m.ty <> 6) OVER (PARTITION BY m.c ORDER BY m.o) AS counted
        FROM unnest(p_from, p_group, p_client_msg_id, p_conversation, p_type, p_content, p_hash, p_attach,
                    p_mention, p_seq, p_client_type) WITH ORDINALITY m(f, g, i, c, ty, d, h, a, me, q, ct, o)
        JOIN im_conversation c ON c.conversation = m.c
       WHERE m.o = ANY (fresh)
    ), sent AS (
      INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, group_id, msg_type, msg_content,
                                   content_hash, attach, mention, cmd_id, msg_seq, client_type, created, updated)
        SELECT f, i, n, g, g, ty, d, h, a, me::bigint[], 769, q, ct, p_now, p_now FROM numbered
    ), kept AS (
      INSERT INTO im_message_group (group_id, msg_id, msg_from, client_msg_id, client_type, msg_type, content,
                                    attach, mention, cmd_id, msg_seq, send_time, counted)
        SELECT g, n, f, i, ct, ty, d, a, me::bigint[], 769, q, p_now, counted FROM numbered
    ), listed AS (
      INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, created, updated)
        SELECT f, 2, g, max(n), p_now, p_now FROM numbered GROUP BY f, g ORDER BY f, g
      ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
        SET last_msg_id = greatest(s.last_msg_id, excluded.last_msg_id),
            updated = greatest(s.updated, excluded.updated), session_status = 0
    )
    UPDATE im_conversation c SET last_msg_id = m.last, counted = m.counted
      FROM (SELECT numbered.c AS conversation, max(n) AS last, max(numbered.counted) AS counted
              FROM numbered GROUP BY 1) m
     WHERE c.conversation = m.conversation;
  END IF;

  RETURN QUERY
    SELECT CASE WHEN s.from_id IS NULL THEN m.v
                WHEN s.to_id = m.g AND s.msg_type = m.ty AND s.content_hash = m.h THEN 0::smallint
                ELSE 1::smallint END,
           s.msg_id, s.created, coalesce(NOT (m.o = ANY (fresh)), true)
      FROM unnest(p_from, p_group, p_client_msg_id, p_type, p_hash, verdicts)
           WITH ORDINALITY m(f, g, i, ty, h, v, o)
      LEFT JOIN im_message_send s ON s.from_id = m.f AND s.client_msg_id = m.i
     ORDER BY m.o;
END $$;

-- Gives some members of some groups their rows of some messages; a message by reading gives none.
-- One element of p_group and p_msg_id per message, one of the others per member: who has, or had, joined which group
-- at which number, and left it at which (null: not yet).
--   A reader of n is who has joined_at <= n < left_at and is not the sender. Who had the row already keeps it.
--   unread counts rows that are new, above the read position, and no NOTIFICATION (promise I6). The read marker locks
--   the session before it counts rows, so a row is counted either there or here.
CREATE FUNCTION im_copy_to_members(
  p_group bigint[], p_msg_id bigint[], p_member_group bigint[], p_member bigint[], p_joined bigint[], p_left bigint[],
  p_now bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH copies AS MATERIALIZED (
    SELECT b.u AS r, m.group_id, m.msg_id, m.msg_from, m.client_msg_id, m.client_type, m.msg_type, m.cmd_id, m.msg_seq,
           m.send_time
      FROM (SELECT DISTINCT a.g, a.n FROM unnest(p_group, p_msg_id) a(g, n) WHERE NOT im_is_by_reading(a.g, a.n)) k
      JOIN im_message_group m ON m.group_id = k.g AND m.msg_id = k.n
      JOIN unnest(p_member_group, p_member, p_joined, p_left) b(g, u, j, l) ON b.g = k.g
     WHERE b.j <= k.n AND k.n < coalesce(b.l, k.n + 1) AND b.u <> m.msg_from
  ), received AS (
    INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, group_id, client_msg_id, client_type,
                                 msg_type, cmd_id, msg_seq, send_time)
      SELECT r, 'g:' || group_id, msg_id, msg_from, group_id, client_msg_id,
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

-- What processes of the former version call.
CREATE OR REPLACE FUNCTION im_fan_out(
  p_group bigint[], p_msg_id bigint[], p_after bigint, p_limit integer, p_now bigint)
RETURNS TABLE (readers bigint[], last_user bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  last bigint;
BEGIN
  SELECT max(user_id) INTO last FROM (
    SELECT DISTINCT user_id FROM im_group_member
     WHERE group_id = ANY (p_group) AND user_id > p_after ORDER BY user_id LIMIT p_limit) these;
  PERFORM im_copy_to_members(p_group, p_msg_id, array_agg(b.group_id), array_agg(b.user_id),
                             array_agg(b.joined_at_msg_id), array_agg(b.left_at_msg_id), p_now)
     FROM im_group_member b WHERE b.group_id = ANY (p_group) AND b.user_id > p_after AND b.user_id <= last;
  RETURN QUERY
    SELECT coalesce(array_agg(b.user_id ORDER BY b.user_id) FILTER (WHERE b.user_id IS NOT NULL), '{}'), last
      FROM unnest(p_group, p_msg_id) WITH ORDINALITY k(g, n, o)
      LEFT JOIN im_message_group m ON m.group_id = k.g AND m.msg_id = k.n
      LEFT JOIN im_group_member b
        ON b.group_id = m.group_id AND b.user_id > p_after AND b.user_id <= last AND b.joined_at_msg_id <= k.n
       AND k.n < coalesce(b.left_at_msg_id, k.n + 1) AND b.user_id <> m.msg_from
     GROUP BY k.o ORDER BY k.o;
END $$;

-- Marks copies as delivered, only what changes (spec 2, group chat 4). A message is found by its sender's key, so an
-- ack needs no number; an ack of what the user is no reader of joins nothing.
CREATE OR REPLACE FUNCTION im_flush_acks(
  p_reader bigint[], p_device text[], p_from bigint[], p_client_msg_id text[], p_time bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH acked AS MATERIALIZED (
    SELECT a.r, a.f, a.i, array_agg(DISTINCT a.d) AS devices, min(a.t) AS first_time
      FROM unnest(p_reader, p_device, p_from, p_client_msg_id, p_time) a(r, d, f, i, t)
     GROUP BY a.r, a.f, a.i
  ), messages AS MATERIALIZED (
    SELECT k.f, k.i, s.to_id, s.group_id, s.msg_id,
           s.group_id IS NOT NULL AND im_is_by_reading(s.group_id, s.msg_id) AS by_reading,
           coalesce('g:' || s.group_id,
                    'c:' || least(s.from_id, s.to_id) || ':' || greatest(s.from_id, s.to_id)) AS conversation
      FROM (SELECT DISTINCT f, i FROM acked) k JOIN im_message_send s ON s.from_id = k.f AND s.client_msg_id = k.i
  ), found AS MATERIALIZED (
    SELECT * FROM acked JOIN messages USING (f, i)
  ), copies AS (
    -- The sender's other devices.
    UPDATE im_message_send s
       SET acked_by = s.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (s.acked_by))
      FROM found
     WHERE found.r = found.f AND s.from_id = found.f AND s.client_msg_id = found.i
       AND NOT s.acked_by @> found.devices
  ), numbers AS MATERIALIZED (
    SELECT found.r, found.group_id AS g, d, found.msg_id AS n
      FROM found
      JOIN im_group_member k ON k.group_id = found.group_id AND k.user_id = found.r
     CROSS JOIN unnest(found.devices) d
     WHERE found.by_reading AND found.r <> found.f AND k.joined_at_msg_id <= found.msg_id
       AND found.msg_id < coalesce(k.left_at_msg_id, found.msg_id + 1)
  ), noted AS (
    INSERT INTO im_group_ack AS a (user_id, group_id, device, numbers)
      SELECT x.r, x.g, x.d, range_agg(int8range(x.n, x.n, '[]'))
        FROM (SELECT * FROM numbers
              UNION ALL
              -- What the user wrote in between is acked by nobody: with it, ranges stay whole.
              SELECT e.r, e.g, e.d, o.msg_id
                FROM (SELECT r, g, d, min(n) AS low, max(n) AS high FROM numbers GROUP BY r, g, d) e
                JOIN im_message_send o
                  ON o.from_id = e.r AND o.to_id = e.g AND o.msg_id > e.low - 50 AND o.msg_id < e.high) x
       GROUP BY x.r, x.g, x.d ORDER BY x.r, x.g, x.d
    ON CONFLICT (user_id, group_id, device) DO UPDATE
      SET numbers = a.numbers + excluded.numbers - coalesce(
            (SELECT int8multirange(int8range(NULL, s.read_msg_id, '[]')) FROM im_session s
              WHERE s.user_id = a.user_id AND s.session_type = 2 AND s.peer_id = a.group_id), '{}')
      WHERE NOT a.numbers @> excluded.numbers
  )
  -- Of a group message by writing the readers are who has a row.
  UPDATE im_message_recv m
     SET delivered = 1, delivered_at = coalesce(m.delivered_at, found.first_time),
         acked_by = m.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (m.acked_by))
    FROM found
   WHERE (found.r = found.to_id OR found.group_id IS NOT NULL AND NOT found.by_reading) AND found.r <> found.f
     AND m.msg_to = found.r AND m.conversation = found.conversation AND m.msg_id = found.msg_id
     AND NOT (m.delivered = 1 AND m.acked_by @> found.devices);
END $$;

-- As before; what is by reading is settled first, and counted by numbers.
CREATE OR REPLACE FUNCTION im_mark_group_read(
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

  -- History shows a message before its fan-out does, so a member may have read what is not in their list yet. Copies
  -- that are made for these readers are from here on either committed and counted below, or add themselves after us
  -- (promise I6).
  PERFORM im_lock_group_sessions(array_agg(a.u), array_agg(a.g), p_now)
     FROM unnest(p_user, p_group, numbers) a(u, g, n) WHERE a.n IS NOT NULL;
  PERFORM im_settle_sessions(array_agg(a.u), array_agg(a.g), p_now)
     FROM unnest(p_user, p_group, numbers) a(u, g, n) WHERE a.n IS NOT NULL;

  RETURN QUERY
    WITH furthest AS MATERIALIZED (
      SELECT DISTINCT ON (a.u, a.g) a.*, 'g:' || a.g AS c, s.read_msg_id AS was, s.read_at AS was_at,
             s.last_msg_id AS last, s.unread AS unread_was, s.settled_msg_id AS settled
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
               + im_count_by_reading(k.u, k.g, k.n, k.settled)
             ELSE k.unread_was -
               (SELECT count(*) FROM im_message_recv m
                 WHERE m.msg_to = k.u AND m.conversation = k.c AND m.msg_id > k.was AND m.msg_id <= k.n
                   AND m.msg_type <> 6)
               - im_count_by_reading(k.u, k.g, k.was, k.n) END AS unread
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
