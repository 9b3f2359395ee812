"""python3 test_broker_format.py: the codec against shared/event's test vectors."""

import json
import pathlib
import unittest
from decimal import Decimal

from broker_format import encode_event, encode_message, fnv1a, headers_of, lane_name, plain, slot_of

VECTORS = pathlib.Path(__file__).resolve().parents[3] / "event"


def read(name):
    return json.loads((VECTORS / name).read_text("utf-8"))


class Vectors(unittest.TestCase):
    def test_every_lane_has_its_hash_and_its_slot(self):
        vectors = read("lane-vectors.json")
        self.assertGreater(len(vectors), 10)
        for lane in vectors:
            self.assertEqual((fnv1a(lane_name(lane)), slot_of(lane)), (lane["hash"], lane["slot"]), lane)

    def test_every_message_has_its_headers_and_its_bytes(self):
        vectors = read("message-vectors.json")["messages"]
        self.assertGreater(len(vectors), 2)
        for vector in vectors:
            message, headers = vector["message"], vector["headers"]
            events = message["events"]
            slot = slot_of(events[0])
            self.assertEqual({slot_of(event) for event in events}, {slot})
            self.assertEqual(str(slot), vector["routingKey"])
            self.assertEqual(headers_of(headers["x-producer"], slot, headers["x-sequence"]), headers)
            encoded = [encode_event(event) for event in events]
            body = encode_message(message["receivedAt"], message["source"], message["region"], encoded)
            self.assertEqual(body.decode("utf-8"), vector["body"], vector["name"])


class Refusals(unittest.TestCase):
    def test_what_readers_would_dead_letter_is_not_written(self):
        event = {"id": "1", "customer": "cus_a", "meter": "tokens", "value": "1", "timestamp": 1795426200}
        encode_event(event)
        encode_event({**event, "value": "-0.000123456789012345"})
        faults = [
            {"id": ""},
            {"customer": "a\0b"},
            {"meter": "x" * 101},
            {"meter": "\ud800"},
            {"value": 1},
            {"value": "1e3"},
            {"value": "01"},
            {"value": "1\n"},
            {"value": "1234567890123456"},
            {"timestamp": "now"},
            {"timestamp": float("nan")},
            {"idGenerated": False},
            {"dimensions": {"a": ""}},
            {"account": "a b"},
            {"zone": "eu"},
        ]
        for fault in faults:
            with self.assertRaises(ValueError, msg=fault):
                encode_event({**event, **fault})
        with self.assertRaises(ValueError):
            encode_message(1795426200, "", "", [])


class LastInstant(unittest.TestCase):
    def test_of_a_period_is_cut_and_never_rounded_into_the_next(self):
        event = {"id": "1", "customer": "cus_a", "meter": "tokens", "value": "1"}
        for written in (
            1796083199.9996,
            1796083199.999999,
            1796083199.999,
            Decimal("1796083199.9999999999999"),
        ):
            self.assertIn('"timestamp":1796083199.999}', encode_event({**event, "timestamp": written}), written)
        for written in (1796083200, 1796083200.0009, Decimal("1796083200.0")):
            self.assertIn('"timestamp":1796083200}', encode_event({**event, "timestamp": written}), written)
        body = encode_message(1796083199.9999, "", "", ["{}"])
        self.assertIn(b'"receivedAt":1796083199.999,', body)

    def test_every_millisecond_stays_what_it_is(self):
        for ms in range(1796083199000, 1796083201000):
            self.assertEqual(plain(ms / 1000), ms / 1000)
        with self.assertRaises(ValueError):
            encode_event({"id": "1", "customer": "c", "meter": "m", "value": "1", "timestamp": 1796083199999})


if __name__ == "__main__":
    unittest.main()
