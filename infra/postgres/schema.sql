-- The schema after all migrations. Written by npm run schema; do not edit.

CREATE TABLE im_contact (
  user_id bigint NOT NULL,
  peer_id bigint NOT NULL,
  state smallint NOT NULL DEFAULT 0,
  blocked boolean NOT NULL DEFAULT false,
  remark text NOT NULL DEFAULT ''::text,
  greeting text NOT NULL DEFAULT ''::text,
  version bigint NOT NULL,
  request_time bigint NOT NULL,
  created bigint NOT NULL,
  updated bigint NOT NULL,
  CONSTRAINT im_contact_pkey PRIMARY KEY (user_id, peer_id),
  CONSTRAINT im_contact_state_check CHECK (((state >= 0) AND (state <= 3)))
);

CREATE TABLE im_contact_list (
  user_id bigint NOT NULL,
  version bigint NOT NULL DEFAULT 0,
  CONSTRAINT im_contact_list_pkey PRIMARY KEY (user_id)
) WITH (fillfactor=50);

CREATE TABLE im_conversation (
  conversation text COLLATE "C" NOT NULL,
  last_msg_id bigint NOT NULL DEFAULT 0,
  counted bigint NOT NULL DEFAULT 0,
  CONSTRAINT im_conversation_pkey PRIMARY KEY (conversation)
) WITH (fillfactor=50);

CREATE TABLE im_device (
  user_id bigint NOT NULL,
  client_type smallint NOT NULL,
  device_id text COLLATE "C" NOT NULL DEFAULT ''::text,
  last_login bigint NOT NULL,
  logged_out boolean NOT NULL DEFAULT false,
  CONSTRAINT im_device_pkey PRIMARY KEY (user_id, client_type, device_id)
) WITH (fillfactor=70);

CREATE TABLE im_file (
  file_id text COLLATE "C" NOT NULL,
  user_id bigint NOT NULL,
  request_key text COLLATE "C",
  state smallint NOT NULL DEFAULT 0,
  named boolean NOT NULL DEFAULT false,
  name text,
  mime text,
  size bigint,
  width integer,
  height integer,
  has_thumbnail boolean NOT NULL DEFAULT false,
  created bigint NOT NULL,
  attempts smallint NOT NULL DEFAULT 1,
  CONSTRAINT im_file_pkey PRIMARY KEY (file_id),
  CONSTRAINT im_file_user_id_request_key_key UNIQUE (user_id, request_key)
);

CREATE TABLE im_file_message (
  file_id text COLLATE "C" NOT NULL,
  from_id bigint NOT NULL,
  to_id bigint NOT NULL,
  msg_id bigint NOT NULL,
  passes boolean NOT NULL,
  CONSTRAINT im_file_message_pkey PRIMARY KEY (file_id, from_id, to_id, msg_id)
);

CREATE TABLE im_group (
  group_id bigint NOT NULL DEFAULT nextval('im_group_id'::regclass),
  group_name text NOT NULL,
  owner_id bigint NOT NULL,
  create_user_id bigint NOT NULL,
  announcement text NOT NULL DEFAULT ''::text,
  intro text NOT NULL DEFAULT ''::text,
  avatar text NOT NULL DEFAULT ''::text,
  group_type smallint NOT NULL DEFAULT 1,
  mute_model smallint NOT NULL DEFAULT 0,
  join_model smallint NOT NULL DEFAULT 0,
  be_invite_model smallint NOT NULL DEFAULT 0,
  version integer NOT NULL DEFAULT 1,
  member_count integer NOT NULL,
  disbanded boolean NOT NULL DEFAULT false,
  create_time bigint NOT NULL,
  update_time bigint NOT NULL,
  CONSTRAINT im_group_announcement_check CHECK ((char_length(announcement) <= 1024)),
  CONSTRAINT im_group_group_name_check CHECK ((char_length(group_name) <= 32)),
  CONSTRAINT im_group_pkey PRIMARY KEY (group_id)
) WITH (fillfactor=70);

CREATE TABLE im_group_ack (
  user_id bigint NOT NULL,
  group_id bigint NOT NULL,
  device text COLLATE "C" NOT NULL,
  numbers int8multirange NOT NULL,
  CONSTRAINT im_group_ack_pkey PRIMARY KEY (user_id, group_id, device)
) PARTITION BY HASH (user_id);

CREATE TABLE im_group_ack_0 PARTITION OF im_group_ack FOR VALUES WITH (modulus 4, remainder 0) WITH (fillfactor=50);

CREATE TABLE im_group_ack_1 PARTITION OF im_group_ack FOR VALUES WITH (modulus 4, remainder 1) WITH (fillfactor=50);

CREATE TABLE im_group_ack_2 PARTITION OF im_group_ack FOR VALUES WITH (modulus 4, remainder 2) WITH (fillfactor=50);

CREATE TABLE im_group_ack_3 PARTITION OF im_group_ack FOR VALUES WITH (modulus 4, remainder 3) WITH (fillfactor=50);

CREATE TABLE im_group_diffusion (
  group_id bigint NOT NULL,
  from_msg_id bigint NOT NULL,
  by_reading boolean NOT NULL,
  CONSTRAINT im_group_diffusion_pkey PRIMARY KEY (group_id, from_msg_id)
);

CREATE TABLE im_group_join (
  group_id bigint NOT NULL,
  user_id bigint NOT NULL,
  kind smallint NOT NULL,
  from_user_id bigint NOT NULL,
  state smallint NOT NULL,
  join_text text NOT NULL,
  request_id text COLLATE "C" NOT NULL,
  create_time bigint NOT NULL,
  expire_time bigint NOT NULL,
  CONSTRAINT im_group_join_pkey PRIMARY KEY (group_id, user_id)
) WITH (fillfactor=70);

CREATE TABLE im_group_member (
  group_id bigint NOT NULL,
  user_id bigint NOT NULL,
  role smallint NOT NULL DEFAULT 0,
  joined_at_msg_id bigint NOT NULL,
  left_at_msg_id bigint,
  mute_until bigint NOT NULL DEFAULT 0,
  created bigint NOT NULL,
  by_reading boolean NOT NULL DEFAULT false,
  CONSTRAINT im_group_member_pkey PRIMARY KEY (group_id, user_id)
) WITH (fillfactor=70);

CREATE TABLE im_message_group (
  group_id bigint NOT NULL,
  msg_id bigint NOT NULL,
  msg_from bigint NOT NULL,
  client_msg_id text COLLATE "C" NOT NULL,
  client_type smallint NOT NULL,
  msg_type smallint NOT NULL,
  content bytea NOT NULL,
  attach text,
  mention bigint[],
  cmd_id integer NOT NULL,
  msg_seq integer NOT NULL,
  send_time bigint NOT NULL,
  counted bigint,
  CONSTRAINT im_message_group_pkey PRIMARY KEY (group_id, msg_id)
) PARTITION BY HASH (group_id);

CREATE TABLE im_message_group_0 PARTITION OF im_message_group FOR VALUES WITH (modulus 4, remainder 0);

CREATE TABLE im_message_group_1 PARTITION OF im_message_group FOR VALUES WITH (modulus 4, remainder 1);

CREATE TABLE im_message_group_2 PARTITION OF im_message_group FOR VALUES WITH (modulus 4, remainder 2);

CREATE TABLE im_message_group_3 PARTITION OF im_message_group FOR VALUES WITH (modulus 4, remainder 3);

CREATE TABLE im_message_recv (
  msg_to bigint NOT NULL,
  conversation text COLLATE "C" NOT NULL,
  msg_id bigint NOT NULL,
  msg_from bigint NOT NULL,
  group_id bigint,
  client_msg_id text COLLATE "C" NOT NULL,
  client_type smallint NOT NULL,
  msg_type smallint NOT NULL,
  content bytea,
  attach text,
  mention bigint[],
  msg_feature smallint NOT NULL DEFAULT 0,
  cmd_id integer NOT NULL,
  msg_seq integer NOT NULL,
  send_time bigint NOT NULL,
  delivered smallint NOT NULL DEFAULT 0,
  delivered_at bigint,
  acked_by text[] NOT NULL DEFAULT '{}'::text[],
  CONSTRAINT im_message_recv_pkey PRIMARY KEY (msg_to, conversation, msg_id)
) PARTITION BY HASH (msg_to);

CREATE TABLE im_message_recv_0 PARTITION OF im_message_recv FOR VALUES WITH (modulus 4, remainder 0) WITH (fillfactor=45);

CREATE TABLE im_message_recv_1 PARTITION OF im_message_recv FOR VALUES WITH (modulus 4, remainder 1) WITH (fillfactor=45);

CREATE TABLE im_message_recv_2 PARTITION OF im_message_recv FOR VALUES WITH (modulus 4, remainder 2) WITH (fillfactor=45);

CREATE TABLE im_message_recv_3 PARTITION OF im_message_recv FOR VALUES WITH (modulus 4, remainder 3) WITH (fillfactor=45);

CREATE TABLE im_message_send (
  from_id bigint NOT NULL,
  client_msg_id text COLLATE "C" NOT NULL,
  msg_id bigint NOT NULL,
  to_id bigint NOT NULL,
  group_id bigint,
  msg_type smallint NOT NULL,
  msg_content bytea NOT NULL,
  content_hash bytea NOT NULL,
  attach text,
  mention bigint[],
  msg_res_code smallint NOT NULL DEFAULT 0,
  msg_feature smallint NOT NULL DEFAULT 0,
  msg_status smallint NOT NULL DEFAULT 5,
  cmd_id integer NOT NULL,
  msg_seq integer NOT NULL,
  client_type smallint NOT NULL,
  acked_by text[] NOT NULL DEFAULT '{}'::text[],
  created bigint NOT NULL,
  updated bigint NOT NULL,
  CONSTRAINT im_message_send_from_id_client_msg_id_key UNIQUE (from_id, client_msg_id)
) PARTITION BY HASH (from_id);

CREATE TABLE im_message_send_0 PARTITION OF im_message_send FOR VALUES WITH (modulus 4, remainder 0) WITH (fillfactor=90);

CREATE TABLE im_message_send_1 PARTITION OF im_message_send FOR VALUES WITH (modulus 4, remainder 1) WITH (fillfactor=90);

CREATE TABLE im_message_send_2 PARTITION OF im_message_send FOR VALUES WITH (modulus 4, remainder 2) WITH (fillfactor=90);

CREATE TABLE im_message_send_3 PARTITION OF im_message_send FOR VALUES WITH (modulus 4, remainder 3) WITH (fillfactor=90);

CREATE TABLE im_org (
  one boolean NOT NULL DEFAULT true,
  version bigint NOT NULL DEFAULT 0,
  CONSTRAINT im_org_one_check CHECK (one),
  CONSTRAINT im_org_pkey PRIMARY KEY (one)
);

CREATE TABLE im_org_department (
  department_id text COLLATE "C" NOT NULL,
  parent_id text COLLATE "C",
  name text NOT NULL,
  version bigint NOT NULL,
  removed boolean NOT NULL DEFAULT false,
  CONSTRAINT im_org_department_pkey PRIMARY KEY (department_id)
);

CREATE TABLE im_org_import (
  place text COLLATE "C" NOT NULL,
  diff jsonb NOT NULL,
  created bigint NOT NULL,
  CONSTRAINT im_org_import_pkey PRIMARY KEY (place)
);

CREATE TABLE im_org_member (
  user_id bigint NOT NULL,
  department_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  title text NOT NULL DEFAULT ''::text,
  version bigint NOT NULL,
  removed boolean NOT NULL DEFAULT false,
  CONSTRAINT im_org_member_pkey PRIMARY KEY (user_id, department_id)
);

CREATE TABLE im_push (
  push_id text COLLATE "C" NOT NULL,
  place text NOT NULL,
  digest text NOT NULL,
  push_type text NOT NULL,
  payload bytea NOT NULL,
  offline text NOT NULL,
  title text,
  body text,
  created bigint NOT NULL,
  expires bigint NOT NULL,
  CONSTRAINT im_push_pkey PRIMARY KEY (push_id)
);

CREATE TABLE im_push_ledger (
  reader_id bigint NOT NULL,
  device text COLLATE "C" NOT NULL,
  from_id bigint NOT NULL,
  client_msg_id text COLLATE "C" NOT NULL,
  notification_id uuid NOT NULL,
  reason text NOT NULL,
  state text NOT NULL,
  provider text,
  answer text,
  attempts integer NOT NULL DEFAULT 0,
  created bigint NOT NULL,
  updated bigint NOT NULL,
  conversation text COLLATE "C",
  server_msg_id bigint NOT NULL DEFAULT 0,
  round integer NOT NULL DEFAULT 0,
  CONSTRAINT im_push_ledger_pkey PRIMARY KEY (reader_id, device, from_id, client_msg_id)
);

CREATE TABLE im_push_receiver (
  push_id text COLLATE "C" NOT NULL,
  user_id bigint NOT NULL,
  state text NOT NULL,
  reason text,
  sent_at bigint,
  sent_to text COLLATE "C",
  acked_at bigint,
  acked_by text COLLATE "C",
  expires bigint NOT NULL,
  updated bigint NOT NULL,
  CONSTRAINT im_push_receiver_pkey PRIMARY KEY (push_id, user_id)
) WITH (fillfactor=60);

CREATE TABLE im_push_settings (
  user_id bigint NOT NULL,
  quiet_from smallint,
  quiet_to smallint,
  time_zone text,
  mentions boolean NOT NULL DEFAULT true,
  preview boolean NOT NULL DEFAULT true,
  updated bigint NOT NULL,
  CONSTRAINT im_push_settings_check CHECK ((((quiet_from IS NULL) = (quiet_to IS NULL)) AND ((quiet_from IS NULL) = (time_zone IS NULL)))),
  CONSTRAINT im_push_settings_pkey PRIMARY KEY (user_id),
  CONSTRAINT im_push_settings_quiet_from_check CHECK (((quiet_from >= 0) AND (quiet_from <= 1439))),
  CONSTRAINT im_push_settings_quiet_to_check CHECK (((quiet_to >= 0) AND (quiet_to <= 1439)))
);

CREATE TABLE im_push_token (
  user_id bigint NOT NULL,
  client_type smallint NOT NULL,
  device_id text COLLATE "C" NOT NULL DEFAULT ''::text,
  provider text NOT NULL,
  token text NOT NULL,
  "position" smallint NOT NULL DEFAULT 0,
  created bigint NOT NULL,
  CONSTRAINT im_push_token_pkey PRIMARY KEY (user_id, client_type, device_id, provider)
);

CREATE TABLE im_retention (
  walk text COLLATE "C" NOT NULL,
  "position" text COLLATE "C" NOT NULL,
  begun bigint NOT NULL,
  CONSTRAINT im_retention_pkey PRIMARY KEY (walk)
);

CREATE TABLE im_session (
  user_id bigint NOT NULL,
  session_type smallint NOT NULL,
  peer_id bigint NOT NULL,
  session_status smallint NOT NULL DEFAULT 0,
  is_robot_session boolean NOT NULL DEFAULT false,
  last_msg_id bigint NOT NULL DEFAULT 0,
  read_msg_id bigint NOT NULL DEFAULT 0,
  peer_read_msg_id bigint NOT NULL DEFAULT 0,
  unread integer NOT NULL DEFAULT 0,
  pinned boolean NOT NULL DEFAULT false,
  muted boolean NOT NULL DEFAULT false,
  draft text,
  extend_data text,
  created bigint NOT NULL,
  updated bigint NOT NULL,
  read_at bigint NOT NULL DEFAULT 0,
  settings_at bigint NOT NULL DEFAULT 0,
  settings_offset bigint NOT NULL DEFAULT '-1'::integer,
  settled_msg_id bigint NOT NULL DEFAULT 0,
  CONSTRAINT im_session_draft_check CHECK ((octet_length(draft) <= 4096)),
  CONSTRAINT im_session_extend_data_check CHECK ((octet_length(extend_data) <= 4096)),
  CONSTRAINT im_session_pkey PRIMARY KEY (user_id, session_type, peer_id)
) WITH (fillfactor=50);

CREATE TABLE im_timeline (
  user_id bigint NOT NULL,
  last_cursor bigint NOT NULL DEFAULT 0,
  CONSTRAINT im_timeline_pkey PRIMARY KEY (user_id)
) WITH (fillfactor=50);

CREATE TABLE im_timeline_session (
  user_id bigint NOT NULL,
  session_type smallint NOT NULL,
  peer_id bigint NOT NULL,
  msg_id bigint NOT NULL,
  CONSTRAINT im_timeline_session_pkey PRIMARY KEY (user_id, session_type, peer_id)
) WITH (fillfactor=50);

CREATE TABLE im_timeline_span (
  user_id bigint NOT NULL,
  last_cursor bigint NOT NULL,
  session_type smallint NOT NULL,
  peer_id bigint NOT NULL,
  first_msg_id bigint NOT NULL,
  last_msg_id bigint NOT NULL,
  CONSTRAINT im_timeline_span_pkey PRIMARY KEY (user_id, last_cursor)
);

CREATE TABLE im_user (
  user_id bigint NOT NULL,
  nick_name text NOT NULL,
  avatar_url text,
  attach_info text,
  token_version integer NOT NULL DEFAULT 1,
  active boolean NOT NULL DEFAULT true,
  robot_webhook text,
  robot_secret text,
  created bigint NOT NULL,
  updated bigint NOT NULL,
  CONSTRAINT im_user_pkey PRIMARY KEY (user_id),
  CONSTRAINT im_user_user_id_check CHECK (((user_id > 0) AND (user_id < '281474976710656'::bigint)))
);

CREATE TABLE im_user_request (
  request_key text COLLATE "C" NOT NULL,
  digest text NOT NULL,
  users jsonb,
  kicked jsonb,
  created bigint NOT NULL,
  CONSTRAINT im_user_request_pkey PRIMARY KEY (request_key)
);

CREATE TABLE im_webhook_waiting (
  lane text COLLATE "C" NOT NULL,
  "position" bigint NOT NULL,
  rounds integer NOT NULL,
  noted bigint NOT NULL,
  CONSTRAINT im_webhook_waiting_pkey PRIMARY KEY (lane, "position")
);

CREATE INDEX im_file_message_of ON public.im_file_message USING btree (to_id, msg_id);

CREATE INDEX im_file_message_to ON public.im_file_message USING btree (file_id, to_id, msg_id);

CREATE INDEX im_file_unnamed ON public.im_file USING btree (created) WHERE (NOT named);

CREATE INDEX im_group_join_of_user ON public.im_group_join USING btree (user_id, group_id);

CREATE INDEX im_group_member_by_reading ON public.im_group_member USING btree (user_id, group_id) WHERE by_reading;

CREATE INDEX im_group_member_of_user ON public.im_group_member USING btree (user_id, group_id) WHERE (left_at_msg_id IS NULL);

CREATE INDEX im_message_group_0_client_msg_id_group_id_idx ON public.im_message_group_0 USING btree (client_msg_id, group_id);

CREATE INDEX im_message_group_1_client_msg_id_group_id_idx ON public.im_message_group_1 USING btree (client_msg_id, group_id);

CREATE INDEX im_message_group_2_client_msg_id_group_id_idx ON public.im_message_group_2 USING btree (client_msg_id, group_id);

CREATE INDEX im_message_group_3_client_msg_id_group_id_idx ON public.im_message_group_3 USING btree (client_msg_id, group_id);

CREATE INDEX im_message_group_client ON ONLY public.im_message_group USING btree (client_msg_id, group_id);

CREATE INDEX im_message_send_0_to_id_from_id_msg_id_idx ON public.im_message_send_0 USING btree (to_id, from_id, msg_id);

CREATE INDEX im_message_send_1_to_id_from_id_msg_id_idx ON public.im_message_send_1 USING btree (to_id, from_id, msg_id);

CREATE INDEX im_message_send_2_to_id_from_id_msg_id_idx ON public.im_message_send_2 USING btree (to_id, from_id, msg_id);

CREATE INDEX im_message_send_3_to_id_from_id_msg_id_idx ON public.im_message_send_3 USING btree (to_id, from_id, msg_id);

CREATE INDEX im_message_send_history ON ONLY public.im_message_send USING btree (to_id, from_id, msg_id);

CREATE INDEX im_org_import_age ON public.im_org_import USING btree (created);

CREATE INDEX im_push_age ON public.im_push USING btree (created);

CREATE INDEX im_push_ledger_newest ON public.im_push_ledger USING btree (reader_id, created);

CREATE INDEX im_push_receiver_expiry ON public.im_push_receiver USING btree (expires) WHERE (state = 'stored'::text);

CREATE INDEX im_push_receiver_waiting ON public.im_push_receiver USING btree (user_id, push_id) WHERE (state = ANY (ARRAY['open'::text, 'stored'::text]));

CREATE INDEX im_push_token_installation ON public.im_push_token USING btree (provider, md5(token));

CREATE INDEX im_user_request_age ON public.im_user_request USING btree (created);

CREATE SEQUENCE im_group_id;

CREATE UNIQUE INDEX im_contact_changes ON public.im_contact USING btree (user_id, version);

CREATE UNIQUE INDEX im_org_department_changes ON public.im_org_department USING btree (version);

CREATE UNIQUE INDEX im_org_member_changes ON public.im_org_member USING btree (version);

CREATE OR REPLACE FUNCTION public.im_copy_to_members(p_group bigint[], p_msg_id bigint[], p_member_group bigint[], p_member bigint[], p_joined bigint[], p_left bigint[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_count_by_reading(p_user bigint, p_group bigint, p_after bigint, p_upto bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce(sum(im_counted(p_group, e.upto) - im_counted(p_group, e.after)
           - (SELECT count(*) FROM im_message_send x
               WHERE x.from_id = p_user AND x.to_id = p_group AND x.msg_id > e.after AND x.msg_id <= e.upto
                 AND x.msg_type <> 6)), 0)::bigint
    FROM (SELECT greatest(s.first - 1, p_after) AS after, least(s.last, p_upto) AS upto
            FROM im_spans_by_reading(p_user, p_group) s) e
   WHERE e.after < e.upto
$function$
;

CREATE OR REPLACE FUNCTION public.im_counted(p_group bigint, p_msg_id bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce(
    (SELECT m.counted FROM im_message_group m WHERE m.group_id = p_group AND m.msg_id = p_msg_id),
    (SELECT m.counted - (m.msg_type <> 6)::integer FROM im_message_group m
      WHERE m.group_id = p_group AND m.msg_id > p_msg_id AND m.counted IS NOT NULL ORDER BY m.msg_id LIMIT 1),
    (SELECT c.counted FROM im_conversation c WHERE c.conversation = 'g:' || p_group), 0)
$function$
;

CREATE OR REPLACE FUNCTION public.im_extend_timelines(p_user bigint[], p_cursor bigint[], p_limit integer[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_fan_out(p_group bigint[], p_msg_id bigint[], p_after bigint, p_limit integer, p_now bigint)
 RETURNS TABLE(readers bigint[], last_user bigint)
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_flush_acks(p_reader bigint[], p_device text[], p_from bigint[], p_client_msg_id text[], p_time bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_is_by_reading(p_group bigint, p_msg_id bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce((SELECT d.by_reading FROM im_group_diffusion d
                    WHERE d.group_id = p_group AND d.from_msg_id <= p_msg_id
                    ORDER BY d.from_msg_id DESC LIMIT 1), false)
$function$
;

CREATE OR REPLACE FUNCTION public.im_lock_group_sessions(p_user bigint[], p_group bigint[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_mark_group_read(p_user bigint[], p_group bigint[], p_msg_id text[], p_number bigint[], p_time bigint[], p_now bigint)
 RETURNS TABLE(changed boolean, number bigint, client_msg_id text)
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_mark_read(p_user bigint[], p_peer bigint[], p_msg_id text[], p_number bigint[], p_time bigint[], p_now bigint)
 RETURNS TABLE(changed boolean, number bigint, client_msg_id text)
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_name_files(p_file text[], p_from bigint[], p_to bigint[], p_msg_id bigint[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_remove_deliveries(p_user bigint[], p_before bigint, p_rows integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_remove_empty_spans(p_user bigint[], p_limit integer)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_remove_group_acks(p_user bigint[])
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_remove_group_messages(p_conversation text, p_before bigint, p_rows integer, OUT removed integer, OUT more boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_remove_pair_messages(p_conversation text, p_before bigint, p_rows integer, OUT removed integer, OUT more boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_reserve_file(p_file text, p_user bigint, p_key text, p_time bigint, p_size bigint, p_limit bigint, p_since bigint, p_begun bigint, OUT refused text, OUT file_id text, OUT state smallint)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
  known im_file;
BEGIN
  -- One reservation of a user after the other, so that each counts those before it.
  PERFORM FROM im_user u WHERE u.user_id = p_user AND u.active FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    refused := 'no-such-user';
    RETURN;
  END IF;
  SELECT f.* INTO known FROM im_file f
   WHERE f.user_id = p_user AND (f.file_id = p_file OR f.request_key = p_key);
  file_id := coalesce(known.file_id, p_file);
  state := coalesce(known.state, 0);
  IF known.state > 0 OR known.file_id = p_file THEN
    RETURN; -- stored, or this very call once more
  END IF;
  IF p_limit < p_size + (SELECT coalesce(sum(f.size), 0) FROM im_file f
                          WHERE f.user_id = p_user AND f.file_id IS DISTINCT FROM known.file_id
                            AND f.created > CASE f.state WHEN 0 THEN p_begun ELSE p_since END) THEN
    refused := 'quota-used';
  ELSIF known.file_id IS NULL THEN
    INSERT INTO im_file (file_id, user_id, request_key, size, created)
      VALUES (p_file, p_user, p_key, p_size, p_time);
  ELSE
    UPDATE im_file f SET size = greatest(f.size, p_size), created = p_time, attempts = f.attempts + 1
     WHERE f.file_id = known.file_id;
  END IF;
END $function$
;

CREATE OR REPLACE FUNCTION public.im_sees_file(p_user bigint, p_file text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  SELECT f.user_id = p_user
      OR EXISTS (SELECT FROM im_file_message m WHERE m.file_id = p_file AND m.from_id = p_user AND m.passes)
      OR EXISTS (SELECT FROM im_file_message m WHERE m.file_id = p_file AND m.to_id = p_user AND m.passes)
      OR EXISTS (SELECT FROM im_file_message m JOIN im_group_member k ON k.group_id = m.to_id AND k.user_id = p_user
                  WHERE m.file_id = p_file AND m.passes AND k.joined_at_msg_id <= m.msg_id
                    AND (k.left_at_msg_id IS NULL OR m.msg_id < k.left_at_msg_id))
    FROM im_file f WHERE f.file_id = p_file AND f.state = 1
$function$
;

CREATE OR REPLACE FUNCTION public.im_settle_sessions(p_user bigint[], p_group bigint[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_settle_users(p_user bigint[], p_now bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_spans_by_reading(p_user bigint, p_group bigint)
 RETURNS TABLE(first bigint, last bigint)
 LANGUAGE sql
 STABLE
AS $function$
  SELECT greatest(d.from_msg_id, k.joined_at_msg_id), least(d.next - 1, k.left_at_msg_id - 1, c.last_msg_id)
    FROM (SELECT x.from_msg_id, x.by_reading, lead(x.from_msg_id) OVER (ORDER BY x.from_msg_id) AS next
            FROM im_group_diffusion x WHERE x.group_id = p_group) d
    JOIN im_group_member k ON k.group_id = p_group AND k.user_id = p_user
    JOIN im_conversation c ON c.conversation = 'g:' || p_group
   WHERE d.by_reading
$function$
;

CREATE OR REPLACE FUNCTION public.im_store_group(p_from bigint[], p_group bigint[], p_client_msg_id text[], p_conversation text[], p_type smallint[], p_content bytea[], p_hash bytea[], p_attach text[], p_mention text[], p_seq integer[], p_client_type smallint[], p_now bigint)
 RETURNS TABLE(res_code smallint, number bigint, stored_at bigint, repeated boolean)
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_store_single(p_from bigint[], p_to bigint[], p_client_msg_id text[], p_conversation text[], p_type smallint[], p_content bytea[], p_hash bytea[], p_attach text[], p_mention text[], p_seq integer[], p_client_type smallint[], p_now bigint, p_policy smallint DEFAULT 0)
 RETURNS TABLE(res_code smallint, number bigint, stored_at bigint, repeated boolean)
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_timeline_page(p_user bigint, p_cursor bigint, p_limit integer)
 RETURNS TABLE(cursor bigint, number bigint, client_msg_id text, sender bigint, receiver bigint, msg_type smallint, content bytea, attach text, client_type smallint, stored_at bigint, read boolean)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_unname_files(p_to bigint, p_from bigint, p_upto bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$
;

CREATE OR REPLACE FUNCTION public.im_unsettled(p_user bigint)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce(sum(im_count_by_reading(k.user_id, k.group_id,
                        greatest(s.settled_msg_id, s.read_msg_id, 0), c.last_msg_id)), 0)::bigint
    FROM im_group_member k
    JOIN im_conversation c ON c.conversation = 'g:' || k.group_id
    LEFT JOIN im_session s ON s.user_id = k.user_id AND s.session_type = 2 AND s.peer_id = k.group_id
   WHERE k.user_id = p_user AND k.by_reading AND c.last_msg_id > coalesce(s.settled_msg_id, 0)
$function$
;

CREATE OR REPLACE FUNCTION public.im_update_sessions(p_user bigint[], p_type smallint[], p_peer bigint[], p_pinned boolean[], p_muted boolean[], p_status smallint[], p_draft text[], p_extend_data text[], p_appended bigint[], p_offset bigint[], p_now bigint)
 RETURNS TABLE(pinned boolean, muted boolean, session_status smallint, draft text, extend_data text, updated bigint)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
BEGIN
  -- In the order of all who lock sessions, so that nobody waits in a circle.
  PERFORM FROM im_session s
    JOIN (SELECT DISTINCT a.u, a.t, a.p FROM unnest(p_user, p_type, p_peer) a(u, t, p)) k
      ON s.user_id = k.u AND s.session_type = k.t AND s.peer_id = k.p
   ORDER BY s.user_id, s.peer_id FOR UPDATE OF s;

  FOR n IN 1 .. coalesce(array_length(p_user, 1), 0) LOOP
    UPDATE im_session s
       SET pinned = coalesce(p_pinned[n], s.pinned),
           muted = coalesce(p_muted[n], s.muted),
           session_status = coalesce(p_status[n], s.session_status),
           draft = CASE WHEN p_draft[n] IS NULL THEN s.draft ELSE nullif(p_draft[n], '') END,
           extend_data = CASE WHEN p_extend_data[n] IS NULL THEN s.extend_data ELSE nullif(p_extend_data[n], '') END,
           updated = greatest(s.updated, p_now),
           settings_at = p_appended[n],
           settings_offset = p_offset[n]
     WHERE s.user_id = p_user[n] AND s.session_type = p_type[n] AND s.peer_id = p_peer[n]
       AND (s.settings_at < p_appended[n] OR s.settings_offset < p_offset[n]);

    RETURN QUERY
      SELECT s.pinned, s.muted, s.session_status, s.draft, s.extend_data, s.updated
        FROM (VALUES (1)) one(row)
        LEFT JOIN im_session s ON s.user_id = p_user[n] AND s.session_type = p_type[n] AND s.peer_id = p_peer[n];
  END LOOP;
END $function$
;
