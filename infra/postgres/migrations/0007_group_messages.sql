-- Storing, fanning out and acking group messages (spec 2, "Group chat").

-- Stores one batch of group messages in one round trip; the counterpart of im_store_single.
-- One element of each array per message. Answers one row per message, in order:
--   res_code 0 stored (or a repeat of what is stored), 1 the msg_id names another message, 9 no such sender,
--            2 no such group, or it is disbanded, 4 the sender is no member, 5 the sender is muted
--   number, stored_at: of the stored message; null when refused
--   repeated: it was stored before; that is answered whatever the sender may do today
-- The members get their rows later, from im_fan_out.
-- A unique violation (the same msg_id to two receivers at once) aborts the whole call: the caller judges the
-- batch again, so that no number is lost.
CREATE FUNCTION im_store_group(
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
      SELECT m.*, c.last_msg_id + row_number() OVER (PARTITION BY m.c ORDER BY m.o) AS n
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
                                    attach, mention, cmd_id, msg_seq, send_time)
        SELECT g, n, f, i, ct, ty, d, a, me::bigint[], 769, q, p_now FROM numbered
    ), listed AS (
      INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, created, updated)
        SELECT f, 2, g, max(n), p_now, p_now FROM numbered GROUP BY f, g ORDER BY f, g
      ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
        SET last_msg_id = greatest(s.last_msg_id, excluded.last_msg_id),
            updated = greatest(s.updated, excluded.updated), session_status = 0
    )
    UPDATE im_conversation c SET last_msg_id = m.last
      FROM (SELECT numbered.c AS conversation, max(n) AS last FROM numbered GROUP BY 1) m
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

-- Gives some members of some groups their rows of some messages: those of the next p_limit users after p_after, over
-- all these groups. One element of p_group and p_msg_id per message.
-- Answers one row per message, in order: its readers among these users, and the last of these users, null when there
-- is none left. Who had the rows already is named again: what follows from them may not have been published.
--   A reader of n is who has joined_at <= n < left_at and is not the sender.
--   unread counts rows that are new, above the read position, and no NOTIFICATION (promise I6). The read marker locks
--   the session before it counts rows, so a row is counted either there or here.
CREATE FUNCTION im_fan_out(p_group bigint[], p_msg_id bigint[], p_after bigint, p_limit integer, p_now bigint)
RETURNS TABLE (readers bigint[], last_user bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  last bigint;
BEGIN
  SELECT max(user_id) INTO last FROM (
    SELECT DISTINCT user_id FROM im_group_member
     WHERE group_id = ANY (p_group) AND user_id > p_after ORDER BY user_id LIMIT p_limit) these;

  RETURN QUERY
    WITH copies AS MATERIALIZED (
      SELECT k.o, b.user_id AS r, m.group_id, m.msg_id, m.msg_from, m.client_msg_id, m.client_type, m.msg_type,
             m.cmd_id, m.msg_seq, m.send_time
        FROM unnest(p_group, p_msg_id) WITH ORDINALITY k(g, n, o)
        JOIN im_message_group m ON m.group_id = k.g AND m.msg_id = k.n
        JOIN im_group_member b ON b.group_id = k.g AND b.user_id > p_after AND b.user_id <= last
       WHERE b.joined_at_msg_id <= k.n AND k.n < coalesce(b.left_at_msg_id, k.n + 1) AND b.user_id <> m.msg_from
    ), received AS (
      INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, group_id, client_msg_id, client_type,
                                   msg_type, cmd_id, msg_seq, send_time)
        SELECT DISTINCT ON (r, group_id, msg_id) r, 'g:' || group_id, msg_id, msg_from, group_id, client_msg_id,
               client_type, msg_type, cmd_id, msg_seq, send_time
          FROM copies ORDER BY r, group_id, msg_id
      ON CONFLICT DO NOTHING
      RETURNING msg_to, group_id, msg_id, msg_type
    ), firsts AS MATERIALIZED (
      SELECT group_id, min(msg_id) AS n FROM received GROUP BY group_id
    ), listed AS (
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
            updated = greatest(s.updated, excluded.updated), session_status = 0
    )
    SELECT coalesce(named.readers, '{}'), last
      FROM unnest(p_group) WITH ORDINALITY k(g, o)
      LEFT JOIN (SELECT c.o, array_agg(c.r ORDER BY c.r) AS readers FROM copies c GROUP BY c.o) named ON named.o = k.o
     ORDER BY k.o;
END $$;

-- Marks copies as delivered, only rows that change (spec 2, group chat 4). A message is found by its sender's
-- key, so an ack needs no number; an ack of what the user is no reader of joins nothing.
CREATE OR REPLACE FUNCTION im_flush_acks(
  p_reader bigint[], p_device text[], p_from bigint[], p_client_msg_id text[], p_time bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH acked AS MATERIALIZED (
    SELECT a.r, a.f, a.i, array_agg(DISTINCT a.d) AS devices, min(a.t) AS first_time
      FROM unnest(p_reader, p_device, p_from, p_client_msg_id, p_time) a(r, d, f, i, t)
     GROUP BY a.r, a.f, a.i
  ), found AS MATERIALIZED (
    SELECT acked.*, s.to_id, s.group_id, s.msg_id,
           coalesce('g:' || s.group_id,
                    'c:' || least(s.from_id, s.to_id) || ':' || greatest(s.from_id, s.to_id)) AS conversation
      FROM acked JOIN im_message_send s ON s.from_id = acked.f AND s.client_msg_id = acked.i
  ), copies AS (
    -- The sender's other devices.
    UPDATE im_message_send s
       SET acked_by = s.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (s.acked_by))
      FROM found
     WHERE found.r = found.f AND s.from_id = found.f AND s.client_msg_id = found.i
       AND NOT s.acked_by @> found.devices
  )
  -- Of a group message the readers are who has a row.
  UPDATE im_message_recv m
     SET delivered = 1, delivered_at = coalesce(m.delivered_at, found.first_time),
         acked_by = m.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (m.acked_by))
    FROM found
   WHERE (found.r = found.to_id OR found.group_id IS NOT NULL) AND found.r <> found.f
     AND m.msg_to = found.r AND m.conversation = found.conversation AND m.msg_id = found.msg_id
     AND NOT (m.delivered = 1 AND m.acked_by @> found.devices);
END $$;
