-- What users set for their sessions: pin, mute, delete, draft, extend_data.

ALTER TABLE im_session ADD CONSTRAINT im_session_draft_check CHECK (octet_length(draft) <= 4096);
-- The record of request.session that changed the settings last: the broker's time of it (ms) and its offset.
-- A record that is older in both was applied before, and is here again because its worker died.
ALTER TABLE im_session ADD COLUMN settings_at bigint NOT NULL DEFAULT 0;
ALTER TABLE im_session ADD COLUMN settings_offset bigint NOT NULL DEFAULT -1;

-- Changes settings of sessions; one element of each array per change, applied in this order.
--   null: that setting stays; '' removes a draft or extend_data
--   p_status 1: deleted, until a message (im_store_single, im_store_group, im_fan_out) or another change sets 0
-- Answers the settings after each change, in order; all null where there is no such session. A record that was
-- applied before changes nothing, so that it does not hide a message that has come since.
CREATE FUNCTION im_update_sessions(
  p_user bigint[], p_type smallint[], p_peer bigint[], p_pinned boolean[], p_muted boolean[], p_status smallint[],
  p_draft text[], p_extend_data text[], p_appended bigint[], p_offset bigint[], p_now bigint)
RETURNS TABLE (pinned boolean, muted boolean, session_status smallint, draft text, extend_data text, updated bigint)
LANGUAGE plpgsql AS $$
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
END $$;
