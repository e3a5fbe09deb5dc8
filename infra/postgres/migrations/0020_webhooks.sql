-- Events that the business's webhook has not taken, and those that wait for one before them (docs/webhooks.md).
-- Empty while the webhook answers. What an event says is on its delay topic; here is only that it waits, and where.

CREATE TABLE im_webhook_waiting (
  lane     text COLLATE "C", -- topic|conversation or topic|user: order is kept within it
  position bigint,           -- of the event on its topic
  rounds   integer NOT NULL, -- that it has failed in; 0: it waits for one before it
  noted    bigint NOT NULL,  -- ms, when that was last said
  PRIMARY KEY (lane, position)
);
