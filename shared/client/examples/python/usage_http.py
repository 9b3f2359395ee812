"""Sends usage events to a sidecar over HTTP. Standard library only.

As a program it reads one event per line:

    echo '{"customer": "cus_123", "meter": "api_requests", "value": 3}' | python3 usage_http.py http://127.0.0.1:7070

TALLYMAN_TOKEN is sent if it is set. Ends with 1 if an event was refused, and names it.
"""

import http.client
import json
import math
import os
import random
import sys
import time
import urllib.parse
import uuid
from decimal import Decimal

BATCH_EVENTS = 500
ANSWER_TIMEOUT_S = 45
# Must stay well below the consumers' TALLYMAN_DEDUP_WINDOW_MS (one hour): until then a repeated id is recognised.
GIVE_UP_AFTER_S = 600
RETRY_BASE_S = 0.05
RETRY_MAX_S = 5


class Undelivered(Exception):
    """These events are not known to be durable. Send them again with the same ids."""


class Sidecar:
    def __init__(self, url, token=None):
        self._url = urllib.parse.urlsplit(url)
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._connection = None

    def send(self, events):
        """Returns once each event is durable or refused: the list of (event, code, message) of the refused ones."""
        events = [named(event) for event in events]
        refused = []
        for start in range(0, len(events), BATCH_EVENTS):
            batch = events[start : start + BATCH_EVENTS]
            for item in self._deliver(batch):
                refused.append((batch[item["index"]], item["code"], item["message"]))
        return refused

    def _deliver(self, batch):
        # Made once: every attempt sends the same ids, values and times.
        body = json.dumps(batch, ensure_ascii=False, allow_nan=False, default=plain).encode("utf-8")
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        attempt = 0
        while True:
            retry_after = 0
            try:
                status, headers, text = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                # No whole answer: the events may be durable or not. Their ids make it harmless to send them again.
                problem = repr(error)
            else:
                rejected = rejected_in(text) if status in (202, 400) else None
                if rejected is not None:
                    return rejected
                problem = f"{status} {text[:500]!r}"
                if status < 500 and status not in (408, 429):
                    raise Undelivered(problem)
                retry_after = min(float(headers.get("retry-after", 0)), 30)
            if time.monotonic() >= give_up_at:
                raise Undelivered(problem)
            attempt += 1
            ceiling = min(RETRY_MAX_S, RETRY_BASE_S * 2 ** min(attempt, 20))
            time.sleep(max(retry_after, random.uniform(0, ceiling)))

    def _post(self, body):
        if self._connection is None:
            is_tls = self._url.scheme == "https"
            connect = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
            self._connection = connect(self._url.hostname, self._url.port, timeout=ANSWER_TIMEOUT_S)
        try:
            self._connection.request("POST", self._url.path.rstrip("/") + "/v1/events", body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except Exception:
            self._connection.close()
            self._connection = None
            raise


def rejected_in(text):
    """None where it is not a sidecar that speaks."""
    try:
        return json.loads(text)["rejected"]
    except (ValueError, KeyError, TypeError):
        return None


def named(event):
    """With an id and a time of its own, so that a repetition is the same event. Times are cut to the millisecond: rounded,
    a period's last instant would be billed in the next."""
    event = {"id": str(uuid.uuid4()), "timestamp": time.time_ns() // 1_000_000 / 1000, **event}
    if isinstance(event["timestamp"], Decimal):
        event["timestamp"] = math.floor(event["timestamp"] * 1000) / 1000
    return event


def plain(value):
    """A Decimal as the float that is the same number, or as text, which the sidecar takes exactly."""
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else format(value, "f")
    raise TypeError(f"{value!r} has no form in JSON")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sidecar = Sidecar(sys.argv[1], os.environ.get("TALLYMAN_TOKEN"))
    # As it is written: a float has 17 digits, and rounds what has more.
    events = [json.loads(line, parse_float=Decimal) for line in sys.stdin if line.strip()]
    refused = sidecar.send(events)
    for event, code, message in refused:
        print(f"refused {code}: {message} ({json.dumps(event)})", file=sys.stderr)
    print(f"{len(events) - len(refused)} events are durable")
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
