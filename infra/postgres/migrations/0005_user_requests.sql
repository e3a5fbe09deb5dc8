-- Changes of users that were asked for over HTTP: one that comes again (a repeated record, an Idempotency-Key)
-- is answered as the first time and changes nothing. Kept for a week. Holds no token and no secret.
CREATE TABLE im_user_request (
  request_key text COLLATE "C" PRIMARY KEY, -- the app server's Idempotency-Key, or the HTTP request
  digest      text NOT NULL,                -- of what was asked: a key must not be used for something else
  users       jsonb,                        -- the users as they were after the change
  kicked      jsonb,                        -- the logins that it closes; NULL until they are known
  created     bigint NOT NULL
);
CREATE INDEX im_user_request_age ON im_user_request (created);
