-- Messages are removed by age, some at a time and from the beginning of a conversation, with all that is stored of
-- them (docs/operate/retention.md). The numbers of a conversation, read positions and cursors stay.

-- How far a walk over all conversations, or all users, has come.
CREATE TABLE im_retention (
  walk     text COLLATE "C" PRIMARY KEY,
  position text COLLATE "C" NOT NULL, -- the last one that was looked at; empty: the walk is over
  begun    bigint NOT NULL
);

-- Which files the messages of a conversation name.
CREATE INDEX im_file_message_of ON im_file_message (to_id, msg_id);

-- As before, but with a lock on files that are named already: the removal of their last message must see this one.
CREATE OR REPLACE FUNCTION im_name_files(p_file text[], p_from bigint[], p_to bigint[], p_msg_id bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  sees boolean;
BEGIN
  -- In one order everywhere; the sweep that removes files takes these locks too.
  PERFORM FROM im_file WHERE file_id = ANY (p_file) ORDER BY file_id FOR UPDATE;
  FOR i IN 1 .. coalesce(array_length(p_file, 1), 0) LOOP
    sees := im_sees_file(p_from[i], p_file[i]);
    CONTINUE WHEN sees IS NULL;
    INSERT INTO im_file_message (file_id, from_id, to_id, msg_id, passes)
      VALUES (p_file[i], p_from[i], p_to[i], p_msg_id[i], sees) ON CONFLICT DO NOTHING;
    UPDATE im_file f SET named = true
     WHERE f.file_id = p_file[i] AND NOT f.named
       AND EXISTS (SELECT FROM im_file_message m WHERE m.file_id = f.file_id AND m.passes);
  END LOOP;
END $$;

-- Forgets that messages up to this number name files; what no message passes on any more is for the sweep of files.
--   p_from: whose messages; NULL: anybody's
CREATE FUNCTION im_unname_files(p_to bigint, p_from bigint, p_upto bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  files text[];
BEGIN
  SELECT array_agg(DISTINCT m.file_id) INTO files FROM im_file_message m
   WHERE m.to_id = p_to AND m.msg_id <= p_upto AND (p_from IS NULL OR m.from_id = p_from);
  IF files IS NULL THEN RETURN; END IF;
  PERFORM FROM im_file f WHERE f.file_id = ANY (files) ORDER BY f.file_id FOR UPDATE;
  DELETE FROM im_file_message m
   WHERE m.to_id = p_to AND m.msg_id <= p_upto AND (p_from IS NULL OR m.from_id = p_from);
  UPDATE im_file f SET named = false
   WHERE f.file_id = ANY (files) AND f.named
     AND NOT EXISTS (SELECT FROM im_file_message m WHERE m.file_id = f.file_id AND m.passes);
END $$;

-- Removes the oldest messages of a pair as far as they were stored before p_before, about p_rows rows of them.
--   removed: messages
--   more:    there may be others as old
CREATE FUNCTION im_remove_pair_messages(p_conversation text, p_before bigint, p_rows integer,
                                        OUT removed integer, OUT more boolean)
LANGUAGE plpgsql AS $$
DECLARE
  a    bigint := split_part(p_conversation, ':', 2)::bigint;
  b    bigint := split_part(p_conversation, ':', 3)::bigint;
  take integer := greatest(p_rows / 2, 1);
  upto bigint;
BEGIN
  -- Who stores a repeat of one of these sees it whole, or not at all.
  PERFORM FROM im_conversation c WHERE c.conversation = p_conversation FOR UPDATE;
  -- From the beginning up to the first young one, by numbers: what is left has no holes.
  SELECT max(o.msg_id) FILTER (WHERE o.old), count(*) FILTER (WHERE o.old) INTO upto, removed
    FROM (SELECT m.msg_id, bool_and(m.created < p_before) OVER (ORDER BY m.msg_id) AS old
            FROM ((SELECT x.msg_id, x.created FROM im_message_send x
                    WHERE x.from_id = a AND x.to_id = b ORDER BY x.msg_id LIMIT take)
                  UNION
                  (SELECT x.msg_id, x.created FROM im_message_send x
                    WHERE x.from_id = b AND x.to_id = a ORDER BY x.msg_id LIMIT take)
                  ORDER BY 1 LIMIT take) m) o;
  more := removed = take;
  IF upto IS NULL THEN RETURN; END IF;

  -- In the order of im_store_single and im_mark_read.
  PERFORM FROM im_session s JOIN (VALUES (a, b), (b, a)) k(u, p) ON s.user_id = k.u AND s.peer_id = k.p
    WHERE s.session_type = 1 ORDER BY s.user_id, s.peer_id FOR UPDATE OF s;
  UPDATE im_session s SET unread = greatest(s.unread - n.gone, 0)
    FROM (SELECT r.msg_to AS u, count(*) AS gone
            FROM im_session i JOIN im_message_recv r
              ON r.msg_to = i.user_id AND r.conversation = p_conversation AND r.msg_id > i.read_msg_id
             AND r.msg_id <= upto AND r.msg_type <> 6
           WHERE i.session_type = 1 AND (i.user_id = a AND i.peer_id = b OR i.user_id = b AND i.peer_id = a)
           GROUP BY r.msg_to) n
   WHERE s.user_id = n.u AND s.session_type = 1 AND s.peer_id = CASE WHEN n.u = a THEN b ELSE a END;

  PERFORM im_unname_files(b, a, upto);
  PERFORM im_unname_files(a, b, upto);
  DELETE FROM im_message_recv r
   WHERE r.msg_to IN (a, b) AND r.conversation = p_conversation AND r.msg_id <= upto;
  DELETE FROM im_message_send x WHERE x.from_id = a AND x.to_id = b AND x.msg_id <= upto;
  DELETE FROM im_message_send x WHERE x.from_id = b AND x.to_id = a AND x.msg_id <= upto;
END $$;

-- The same of a group. By writing, a message has as many rows as the group had members.
CREATE FUNCTION im_remove_group_messages(p_conversation text, p_before bigint, p_rows integer,
                                         OUT removed integer, OUT more boolean)
LANGUAGE plpgsql AS $$
DECLARE
  g    bigint := split_part(p_conversation, ':', 2)::bigint;
  take integer;
  upto bigint;
BEGIN
  PERFORM FROM im_conversation c WHERE c.conversation = p_conversation FOR UPDATE;
  SELECT greatest(p_rows / CASE WHEN im_is_by_reading(g, f.msg_id) THEN 2 ELSE 1 +
           (SELECT count(*) FROM im_group_member k WHERE k.group_id = g) END, 1) INTO take
    FROM (SELECT m.msg_id FROM im_message_group m WHERE m.group_id = g ORDER BY m.msg_id LIMIT 1) f;
  SELECT max(o.msg_id) FILTER (WHERE o.old), count(*) FILTER (WHERE o.old) INTO upto, removed
    FROM (SELECT m.msg_id, bool_and(m.send_time < p_before) OVER (ORDER BY m.msg_id) AS old
            FROM (SELECT x.msg_id, x.send_time FROM im_message_group x
                   WHERE x.group_id = g ORDER BY x.msg_id LIMIT take) m) o;
  more := coalesce(removed = take, false);
  IF upto IS NULL THEN RETURN; END IF;

  -- In the order of the fan-out. Who has read these, or has nothing unread, is not changed.
  PERFORM FROM im_group_member k
    JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = g
   WHERE k.group_id = g AND s.read_msg_id < upto AND s.unread > 0
   ORDER BY s.user_id, s.peer_id FOR UPDATE OF s;
  -- What the membership covers of them: of an earlier one nothing is counted.
  UPDATE im_session s SET unread = greatest(s.unread - n.gone, 0)
    FROM (SELECT i.user_id AS u,
                 (SELECT count(*) FROM im_message_recv r
                   WHERE r.msg_to = i.user_id AND r.conversation = p_conversation AND r.msg_type <> 6
                     AND r.msg_id > greatest(i.read_msg_id, k.joined_at_msg_id - 1) AND r.msg_id <= upto)
                 + im_count_by_reading(i.user_id, g, i.read_msg_id, least(upto, i.settled_msg_id)) AS gone
            FROM im_group_member k
            JOIN im_session i ON i.user_id = k.user_id AND i.session_type = 2 AND i.peer_id = g
           WHERE k.group_id = g AND i.read_msg_id < upto AND i.unread > 0) n
   WHERE s.user_id = n.u AND s.session_type = 2 AND s.peer_id = g AND n.gone > 0;

  PERFORM im_unname_files(g, NULL, upto);
  DELETE FROM im_message_recv r USING im_group_member k
   WHERE k.group_id = g AND r.msg_to = k.user_id AND r.conversation = p_conversation AND r.msg_id <= upto;
  WITH gone AS (
    DELETE FROM im_message_group m WHERE m.group_id = g AND m.msg_id <= upto RETURNING m.msg_from, m.client_msg_id
  )
  DELETE FROM im_message_send x USING gone WHERE x.from_id = gone.msg_from AND x.client_msg_id = gone.client_msg_id;
END $$;

-- Removes spans at the beginning of these users' timelines whose messages are all gone, at most p_limit of each. Cursors
-- stay what they are. Answers how many.
CREATE FUNCTION im_remove_empty_spans(p_user bigint[], p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  span    im_timeline_span;
  u       bigint;
  removed integer := 0;
BEGIN
  FOREACH u IN ARRAY p_user LOOP
    FOR span IN SELECT * FROM im_timeline_span x WHERE x.user_id = u ORDER BY x.last_cursor LIMIT p_limit LOOP
      EXIT WHEN CASE span.session_type
        WHEN 1 THEN EXISTS (SELECT FROM im_message_send x
                             WHERE x.from_id = u AND x.to_id = span.peer_id AND x.msg_id <= span.last_msg_id)
                 OR EXISTS (SELECT FROM im_message_recv r
                             WHERE r.msg_to = u AND r.msg_id <= span.last_msg_id AND r.conversation =
                                   'c:' || least(u, span.peer_id) || ':' || greatest(u, span.peer_id))
        ELSE EXISTS (SELECT FROM im_message_group x
                      WHERE x.group_id = span.peer_id AND x.msg_id <= span.last_msg_id) END;
      DELETE FROM im_timeline_span x WHERE x.user_id = u AND x.last_cursor = span.last_cursor;
      removed := removed + 1;
    END LOOP;
  END LOOP;
  RETURN removed;
END $$;
