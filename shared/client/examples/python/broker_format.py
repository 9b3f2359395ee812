"""The broker message, version 1 (shared/event/README.md). Standard library only; checked against the test vectors
there by test_broker_format.py."""

import json
import math
import re
from decimal import Decimal

VERSION = 1
SLOTS = 64
VALUE = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
ACCOUNT = re.compile("[!-~]{1,255}")
FIELDS = ("id", "idGenerated", "customer", "meter", "value", "timestamp", "dimensions", "account")


def lane_name(event):
    return f"{event.get('account', '')}\0{event['customer']}\0{event['meter']}"


def fnv1a(text):
    value = 2166136261
    for byte in text.encode("utf-8"):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def slot_of(event):
    return fnv1a(lane_name(event)) % SLOTS


def encode_event(event):
    """One element of a message's `events`. Raises a ValueError for what readers would dead-letter."""
    unknown = set(event) - set(FIELDS)
    if unknown:
        raise ValueError(f"unknown fields: {sorted(unknown)}")
    check_text("id", event.get("id"), 100)
    check_text("customer", event.get("customer"), 255)
    check_text("meter", event.get("meter"), 100)
    check_value(event.get("value"))
    check_time("timestamp", event.get("timestamp"))
    if event.get("idGenerated", True) is not True:
        raise ValueError("idGenerated: it must be true or absent")
    if not ACCOUNT.fullmatch(event.get("account", "-")):
        raise ValueError("account: it must be 1 to 255 characters of printable ASCII without spaces")
    dimensions = event.get("dimensions", {})
    if len(dimensions) > 32:
        raise ValueError("dimensions: at most 32")
    for key, value in dimensions.items():
        check_text("a dimension's key", key, 100)
        check_text("a dimension's value", value, 500)
    ordered = {field: event[field] for field in FIELDS if field in event and event[field] != {}}
    return to_json({**ordered, "timestamp": plain(event["timestamp"])})


def encode_message(received_at, source, region, encoded_events):
    """The body's bytes, from what `encode_event` gave."""
    check_time("receivedAt", received_at)
    if not encoded_events:
        raise ValueError("a message has one event or more")
    head = {"version": VERSION, "receivedAt": plain(received_at), "source": source, "region": region}
    return f'{to_json(head)[:-1]},"events":[{",".join(encoded_events)}]}}'.encode("utf-8")


def headers_of(producer, slot, sequence):
    return {"x-producer": producer, "x-slot": slot, "x-sequence": sequence}


def check_text(field, text, units_max):
    if not isinstance(text, str) or not 1 <= utf16_units(text) <= units_max or CONTROL.search(text):
        raise ValueError(f"{field}: {text!r}; it must be 1 to {units_max} characters without control characters")


def utf16_units(text):
    # Raises a UnicodeEncodeError, which is a ValueError, for lone surrogates.
    return len(text.encode("utf-16-le")) // 2


def check_value(text):
    if not isinstance(text, str) or len(text) > 64 or not VALUE.fullmatch(text):
        raise ValueError(f"value: {text!r}; it must be a decimal as a string of at most 64 characters")
    if len(Decimal(text).as_tuple().digits) > 15 and Decimal(text) != 0:
        raise ValueError(f"value: {text!r} has more than 15 significant digits")


def check_time(field, seconds):
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, Decimal)) or not 0 <= seconds < 1e11:
        raise ValueError(f"{field}: {seconds!r}; it must be unix seconds")


def plain(seconds):
    """Cut to the millisecond, and without a point where there is no fraction. Rounded, a period's last instant would be
    billed in the next."""
    whole, ms = divmod(math.floor(exactly(seconds) * 1000), 1000)
    return whole + ms / 1000 if ms else whole


def exactly(number):
    """The decimal that was written: of a float the shortest that is read as the same float."""
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def to_json(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
