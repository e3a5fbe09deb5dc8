-- What a user uploads is counted from its beginning (spec 4, files): until a file is stored, its row holds the size that
-- was announced, and counts for as long as an upload may take. So uploads at the same time share one limit, and what a
-- gate left that died counts no longer than that.

-- Uploads of this row that are under way: more than one where a call is repeated under its Idempotency-Key.
ALTER TABLE im_file ADD COLUMN attempts smallint NOT NULL DEFAULT 1;

-- Reserves a file for an upload of p_size bytes, unless this user would come above p_limit with what was stored since
-- p_since and what is under way since p_begun. Returns the id, that of an earlier call with the same key; or why not.
CREATE FUNCTION im_reserve_file(
  p_file text, p_user bigint, p_key text, p_time bigint, p_size bigint, p_limit bigint, p_since bigint, p_begun bigint,
  OUT refused text, OUT file_id text, OUT state smallint)
LANGUAGE plpgsql AS $$
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
END $$;
