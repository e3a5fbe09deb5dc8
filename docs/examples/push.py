"""Pushes something to a user's devices and waits until one of them has acked it (docs/topics.md).

    pip install confluent-kafka
    KAFKA_BROKERS=localhost:9092 python3 docs/examples/push.py 1001 "Your order is paid"
"""
import json
import os
import sys
import uuid

from confluent_kafka import Consumer, Producer

brokers = {"bootstrap.servers": os.environ.get("KAFKA_BROKERS", "localhost:9092")}
prefix = os.environ.get("TOPIC_PREFIX", "im.")
user_id, text = sys.argv[1], sys.argv[2]

push_id = str(uuid.uuid4())  # send it again under the same one: it is not delivered twice
request = {
    "push_id": push_id,
    "push_type": "order.paid",
    "to": {"user_ids": [user_id]},
    "json": {"text": text},
    "offline": "store",
}
producer = Producer({**brokers, "acks": "all"})
producer.produce(prefix + "push.requested", json.dumps(request))
producer.flush()
print("pushed", push_id, flush=True)

results = Consumer({**brokers, "group.id": "push-" + push_id, "auto.offset.reset": "earliest"})
results.subscribe([prefix + "push.result"])
outcome = None
while outcome in (None, "sent", "stored"):
    record = results.poll(1)
    if record is None or record.error():
        continue
    result = json.loads(record.value())
    if result["push_id"] == push_id:
        outcome = result["outcome"]
        print(outcome, result.get("reason", ""), flush=True)
results.close()
