-- The org tree (spec 1, 0x0620 … 0x0623; ADR 21), and what it means for single chat.

-- The last version given. Whoever imports a tree locks this row first and takes a version for each row that it changes:
-- so versions come to light in their order, and nobody who reads by version misses one.
CREATE TABLE im_org (
  one     boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL DEFAULT 0
);
INSERT INTO im_org DEFAULT VALUES;

-- Rows stay when they are removed: clients read by version.
CREATE TABLE im_org_department (
  department_id text COLLATE "C" PRIMARY KEY,
  parent_id     text COLLATE "C", -- null: the root
  name          text NOT NULL,
  version       bigint NOT NULL,
  removed       boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX im_org_department_changes ON im_org_department (version);

CREATE TABLE im_org_member (
  user_id       bigint NOT NULL,
  department_id text COLLATE "C" NOT NULL,
  name          text NOT NULL,
  title         text NOT NULL DEFAULT '',
  version       bigint NOT NULL,
  removed       boolean NOT NULL DEFAULT false,
  PRIMARY KEY (user_id, department_id)
);
CREATE UNIQUE INDEX im_org_member_changes ON im_org_member (version);

-- What each import was answered, by the place of its record: read again after a crash, it is answered the same and
-- changes nothing. Kept for as long as the record may be there.
CREATE TABLE im_org_import (
  place   text COLLATE "C" PRIMARY KEY, -- partition:offset:time of the record, the broker's time (ms)
  diff    jsonb NOT NULL,
  created bigint NOT NULL
);
CREATE INDEX im_org_import_age ON im_org_import (created);

-- im_store_single as in migration 0010, with one policy more: who is in the org tree may write to whom is in it too.
-- Stores one batch of single-chat messages in one round trip (spec 2, "Single chat" 2; speed: ADR 4).
-- One element of each array per message. Answers one row per message, in order:
--   res_code 0 stored (or a repeat of what is stored), 1 the msg_id names another message,
--            9 the sender or the receiver does not exist, 3 the receiver has blocked the sender,
--            8 the policy wants them to be friends, or colleagues, and they are not
--   number, stored_at: of the stored message; null when refused
--   repeated: it was stored before; that is answered whoever has blocked whom since then
-- p_policy: who may write to a user: 0 anyone, 1 friends, 2 colleagues; to and from robots anyone
-- A unique violation (the same msg_id to two receivers at once) aborts the whole call: the caller judges the
-- batch again, so that no number is lost.
CREATE OR REPLACE FUNCTION im_store_single(
  p_from bigint[], p_to bigint[], p_client_msg_id text[], p_conversation text[], p_type smallint[],
  p_content bytea[], p_hash bytea[], p_attach text[], p_mention text[], p_seq integer[],
  p_client_type smallint[], p_now bigint, p_policy smallint DEFAULT 0)
RETURNS TABLE (res_code smallint, number bigint, stored_at bigint, repeated boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  known boolean[];
  verdicts smallint[];
  fresh bigint[];
BEGIN
  SELECT array_agg(EXISTS (SELECT FROM im_user u WHERE u.user_id = m.f AND u.active)
               AND EXISTS (SELECT FROM im_user u WHERE u.user_id = m.t AND u.active) ORDER BY m.o)
    INTO known
    FROM unnest(p_from, p_to) WITH ORDINALITY m(f, t, o);

  INSERT INTO im_conversation (conversation)
    SELECT DISTINCT m.c FROM unnest(p_conversation, known) m(c, k)
     WHERE m.k AND NOT EXISTS (SELECT FROM im_conversation x WHERE x.conversation = m.c)
     ORDER BY 1
    ON CONFLICT DO NOTHING;
  -- In one order everywhere, so that two batches never wait for each other in a circle.
  PERFORM FROM im_conversation x WHERE x.conversation = ANY (p_conversation) ORDER BY x.conversation FOR UPDATE;

  -- Under the locks, because whoever blocks takes that of the conversation too: once a block is answered, nothing
  -- comes through.
  SELECT array_agg(CASE
           WHEN NOT m.k THEN 9
           WHEN b.blocked AND m.t <> m.f THEN 3
           WHEN p_policy = 0 OR m.t = m.f THEN 0
           WHEN p_policy = 1 AND b.state = 3 THEN 0
           WHEN p_policy = 2 AND (SELECT count(DISTINCT o.user_id) FROM im_org_member o
                                   WHERE o.user_id IN (m.f, m.t) AND NOT o.removed) = 2 THEN 0
           WHEN EXISTS (SELECT FROM im_user u WHERE u.user_id IN (m.f, m.t) AND u.robot_webhook IS NOT NULL) THEN 0
           ELSE 8 END::smallint ORDER BY m.o)
    INTO verdicts
    FROM unnest(p_from, p_to, known) WITH ORDINALITY m(f, t, k, o)
    LEFT JOIN im_contact b ON b.user_id = m.t AND b.peer_id = m.f;

  -- Only now, under the locks, can be seen what another owner of this partition has stored.
  SELECT array_agg(o ORDER BY o) INTO fresh FROM (
    SELECT DISTINCT ON (m.f, m.i) m.o
      FROM unnest(p_from, p_client_msg_id, verdicts) WITH ORDINALITY m(f, i, v, o)
     WHERE m.v = 0 AND NOT EXISTS (SELECT FROM im_message_send s WHERE s.from_id = m.f AND s.client_msg_id = m.i)
     ORDER BY m.f, m.i, m.o) firsts;

  IF fresh IS NOT NULL THEN
    WITH numbered AS MATERIALIZED (
      SELECT m.*, c.last_msg_id + row_number() OVER (PARTITION BY m.c ORDER BY m.o) AS n
        FROM unnest(p_from, p_to, p_client_msg_id, p_conversation, p_type, p_content, p_hash, p_attach,
                    p_mention, p_seq, p_client_type) WITH ORDINALITY m(f, t, i, c, ty, d, h, a, me, q, ct, o)
        JOIN im_conversation c ON c.conversation = m.c
       WHERE m.o = ANY (fresh)
    ), sent AS (
      INSERT INTO im_message_send (from_id, client_msg_id, msg_id, to_id, msg_type, msg_content, content_hash,
                                   attach, mention, cmd_id, msg_seq, client_type, created, updated)
        SELECT f, i, n, t, ty, d, h, a, me::bigint[], 769, q, ct, p_now, p_now FROM numbered
    ), received AS (
      INSERT INTO im_message_recv (msg_to, conversation, msg_id, msg_from, client_msg_id, client_type, msg_type,
                                   content, attach, mention, cmd_id, msg_seq, send_time)
        SELECT t, c, n, f, i, ct, ty, d, a, me::bigint[], 769, q, p_now FROM numbered WHERE t <> f
    ), listed AS (
      INSERT INTO im_session AS s (user_id, session_type, peer_id, last_msg_id, unread, created, updated)
        SELECT e.u, 1, e.p, max(e.n), sum(e.unread), p_now, p_now
          FROM (SELECT f AS u, t AS p, n, 0 AS unread FROM numbered
                UNION ALL
                SELECT t, f, n, CASE WHEN ty = 6 THEN 0 ELSE 1 END FROM numbered WHERE t <> f) e
         GROUP BY e.u, e.p ORDER BY e.u, e.p
      ON CONFLICT (user_id, session_type, peer_id) DO UPDATE
        SET last_msg_id = excluded.last_msg_id, unread = s.unread + excluded.unread,
            updated = greatest(s.updated, excluded.updated), session_status = 0
    )
    UPDATE im_conversation c SET last_msg_id = m.last
      FROM (SELECT numbered.c AS conversation, max(n) AS last FROM numbered GROUP BY 1) m
     WHERE c.conversation = m.conversation;
  END IF;

  RETURN QUERY
    SELECT CASE WHEN s.from_id IS NULL THEN m.v
                WHEN s.to_id = m.t AND s.msg_type = m.ty AND s.content_hash = m.h THEN 0::smallint
                ELSE 1::smallint END,
           s.msg_id, s.created, coalesce(NOT (m.o = ANY (fresh)), true)
      FROM unnest(p_from, p_to, p_client_msg_id, p_type, p_hash, verdicts) WITH ORDINALITY m(f, t, i, ty, h, v, o)
      LEFT JOIN im_message_send s ON m.v <> 9 AND s.from_id = m.f AND s.client_msg_id = m.i
     ORDER BY m.o;
END $$;
