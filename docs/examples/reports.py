"""Prints what clients report, and goes on where it stopped when it is started again (docs/topics.md).

    pip install confluent-kafka
    KAFKA_BROKERS=localhost:9092 python3 docs/examples/reports.py
"""
import base64
import json
import os

from confluent_kafka import Consumer

reports = Consumer(
    {
        "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "localhost:9092"),
        "group.id": "my-business",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
reports.subscribe([os.environ.get("TOPIC_PREFIX", "im.") + "report.submitted"])
while True:
    record = reports.poll(1)
    if record is None or record.error():
        continue
    report = json.loads(record.value())
    if not report.get("repeated"):  # published before: the client did not hear of it and sent it again
        payload = base64.b64decode(report["payload"])
        print(report["user_id"], report["report_type"], payload.decode(errors="replace"), flush=True)
    reports.commit(record, asynchronous=False)  # only now: what is not worked off comes again
