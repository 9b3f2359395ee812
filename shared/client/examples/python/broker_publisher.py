"""Publishes usage events to the broker, without a sidecar. Needs pika (Debian: python3-pika).

As a program it reads one event per line, with or without `id`, `value` and `timestamp`:

    echo '{"id": "req-1", "customer": "cus_123", "meter": "api_requests"}' | python3 broker_publisher.py amqp://127.0.0.1:5672

TALLYMAN_NAMESPACE is the prefix of the exchange, `tallyman` by default.
"""

import json
import os
import random
import secrets
import socket
import sys
import time
import uuid
from decimal import Decimal

import pika
from pika.exceptions import AMQPError, NackError, UnroutableError

from broker_format import SLOTS, encode_event, encode_message, exactly, headers_of, slot_of

MESSAGE_EVENTS = 500
MESSAGE_BYTES = 128 * 1024
# An event that stays unpublished for longer is its application's to repeat, with the same id, within the dedup window.
GIVE_UP_AFTER_S = 30
RETRY_MAX_S = 2


class Unconfirmed(Exception):
    """Not known to be durable. Publish the events again, with the same ids."""


class Publisher:
    def __init__(self, url, namespace="tallyman", source=None, region=""):
        self._parameters = pika.URLParameters(url)
        self._exchange = f"{namespace}.usage"
        self._source = socket.gethostname() if source is None else source
        self._region = region
        # One life of a publisher: never stored, never used again.
        self._producer = secrets.token_hex(16)
        self._sequences = [0] * SLOTS
        self._channel = None

    def publish(self, events):
        """Returns once the broker has confirmed every event. Raises a ValueError before it sends anything."""
        received_at = time.time()
        messages = list(self._pack([complete(event, received_at) for event in events], received_at))
        for slot, sequence, body in messages:
            self._deliver(slot, sequence, body)

    def close(self):
        if self._channel is not None and self._channel.is_open:
            self._channel.connection.close()

    def _pack(self, events, received_at):
        by_slot = {}
        for event in events:
            by_slot.setdefault(slot_of(event), []).append(encode_event(event))
        for slot, encoded in by_slot.items():
            for part in parts_of(encoded):
                # From here on this number belongs to these bytes, whatever happens.
                self._sequences[slot] += 1
                yield slot, self._sequences[slot], encode_message(received_at, self._source, self._region, part)

    def _deliver(self, slot, sequence, body):
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            headers=headers_of(self._producer, slot, sequence),
        )
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        attempt = 0
        while True:
            try:
                # With confirms on, this returns once the broker has the message on disk. Not `mandatory`, it would
                # return as well for a message that no queue is bound for.
                self._open().basic_publish(self._exchange, str(slot), body, properties, mandatory=True)
                return
            except (AMQPError, OSError) as error:
                # Lost, refused or returned: the same bytes under the same number, again.
                if not isinstance(error, (NackError, UnroutableError)):
                    self._channel = None
                if time.monotonic() >= give_up_at:
                    raise Unconfirmed(f"slot {slot}, sequence {sequence}: {error!r}") from error
                attempt += 1
                time.sleep(random.uniform(0, min(RETRY_MAX_S, 0.05 * 2 ** min(attempt, 10))))

    def _open(self):
        if self._channel is None:
            self._channel = pika.BlockingConnection(self._parameters).channel()
            self._channel.confirm_delivery()
        return self._channel


def complete(event, received_at):
    """Every default filled in. Without an id of the application's nobody can send it again, so it is marked."""
    defaults = {"value": "1", "timestamp": received_at}
    if "id" not in event:
        defaults |= {"id": str(uuid.uuid4()), "idGenerated": True}
    whole = {**defaults, **event}
    return {**whole, "value": text_of(whole["value"])}


def text_of(value):
    """A number as a plain decimal, `1e-7` as `0.0000001`. What is neither number nor text is left to be refused."""
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return format(exactly(value), "f") if is_number else value


def parts_of(encoded):
    part, size = [], 0
    for text in encoded:
        # And the comma.
        bytes_of_text = len(text.encode("utf-8")) + 1
        if part and (len(part) == MESSAGE_EVENTS or size + bytes_of_text > MESSAGE_BYTES):
            yield part
            part, size = [], 0
        part.append(text)
        size += bytes_of_text
    if part:
        yield part


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    publisher = Publisher(sys.argv[1], os.environ.get("TALLYMAN_NAMESPACE", "tallyman"))
    # As it is written: a float has 17 digits, and rounds what has more.
    events = [json.loads(line, parse_float=Decimal) for line in sys.stdin if line.strip()]
    publisher.publish(events)
    publisher.close()
    print(f"{len(events)} events are durable")


if __name__ == "__main__":
    main()
