-- Files of users: who uploaded them, and which messages pass them on (spec 4, files). The bytes are in the file store.

CREATE TABLE im_file (
  file_id       text COLLATE "C" PRIMARY KEY, -- 128 random bits in hexadecimal
  user_id       bigint NOT NULL,              -- who uploaded it
  request_key   text COLLATE "C",             -- the call's Idempotency-Key
  state         smallint NOT NULL DEFAULT 0,  -- 0 its bytes are on their way, 1 stored, 2 being removed
  named         boolean NOT NULL DEFAULT false, -- a message passes it on
  name          text,
  mime          text,                         -- by its content
  size          bigint,
  width         integer,
  height        integer,
  has_thumbnail boolean NOT NULL DEFAULT false,
  created       bigint NOT NULL,
  UNIQUE (user_id, request_key)
);
CREATE INDEX im_file_unnamed ON im_file (created) WHERE NOT named;

-- A message that names a file. It passes the file on to its readers only if its sender could see it then.
CREATE TABLE im_file_message (
  file_id text COLLATE "C" NOT NULL,
  from_id bigint NOT NULL,
  to_id   bigint NOT NULL,                    -- the user or group written to
  msg_id  bigint NOT NULL,                    -- server_msg_id
  passes  boolean NOT NULL,
  PRIMARY KEY (file_id, from_id, to_id, msg_id)
);
CREATE INDEX im_file_message_to ON im_file_message (file_id, to_id, msg_id);

-- May this user see this file? Who uploaded it, and who reads or wrote a message that passes it on: in a group, whoever
-- was a member when it was said. NULL where there is no such file.
CREATE FUNCTION im_sees_file(p_user bigint, p_file text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT f.user_id = p_user
      OR EXISTS (SELECT FROM im_file_message m WHERE m.file_id = p_file AND m.from_id = p_user AND m.passes)
      OR EXISTS (SELECT FROM im_file_message m WHERE m.file_id = p_file AND m.to_id = p_user AND m.passes)
      OR EXISTS (SELECT FROM im_file_message m JOIN im_group_member k ON k.group_id = m.to_id AND k.user_id = p_user
                  WHERE m.file_id = p_file AND m.passes AND k.joined_at_msg_id <= m.msg_id
                    AND (k.left_at_msg_id IS NULL OR m.msg_id < k.left_at_msg_id))
    FROM im_file f WHERE f.file_id = p_file AND f.state = 1
$$;

-- Remembers which messages name which files, in the order of the arrays: a message may pass on what one before it
-- passed on to its sender. What names no stored file is no mention; one that is known stays as it was judged.
CREATE FUNCTION im_name_files(p_file text[], p_from bigint[], p_to bigint[], p_msg_id bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  sees boolean;
BEGIN
  -- In one order everywhere; the sweep that removes files takes these locks too.
  PERFORM FROM im_file WHERE file_id = ANY (p_file) AND NOT named ORDER BY file_id FOR UPDATE;
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
