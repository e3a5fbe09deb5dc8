-- Marks copies as delivered, only rows that change (spec 2, group chat 4). A message is found by its sender's
-- key, so an ack needs no number; an ack of what the user is no reader of joins nothing.
CREATE FUNCTION im_flush_acks(p_reader bigint[], p_device text[], p_from bigint[], p_client_msg_id text[], p_time bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH acked AS MATERIALIZED (
    SELECT a.r, a.f, a.i, array_agg(DISTINCT a.d) AS devices, min(a.t) AS first_time
      FROM unnest(p_reader, p_device, p_from, p_client_msg_id, p_time) a(r, d, f, i, t)
     GROUP BY a.r, a.f, a.i
  ), found AS MATERIALIZED (
    SELECT acked.*, s.to_id, s.msg_id,
           'c:' || least(s.from_id, s.to_id) || ':' || greatest(s.from_id, s.to_id) AS conversation
      FROM acked JOIN im_message_send s ON s.from_id = acked.f AND s.client_msg_id = acked.i
     WHERE s.group_id IS NULL
  ), copies AS (
    -- The sender's other devices.
    UPDATE im_message_send s
       SET acked_by = s.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (s.acked_by))
      FROM found
     WHERE found.r = found.f AND s.from_id = found.f AND s.client_msg_id = found.i
       AND NOT s.acked_by @> found.devices
  )
  UPDATE im_message_recv m
     SET delivered = 1, delivered_at = coalesce(m.delivered_at, found.first_time),
         acked_by = m.acked_by || (SELECT array_agg(d) FROM unnest(found.devices) d WHERE d <> ALL (m.acked_by))
    FROM found
   WHERE found.r = found.to_id AND found.r <> found.f
     AND m.msg_to = found.r AND m.conversation = found.conversation AND m.msg_id = found.msg_id
     AND NOT (m.delivered = 1 AND m.acked_by @> found.devices);
END $$;
