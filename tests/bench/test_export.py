"""Tests of the JSON of a measurement."""

import json

from tests.bench.report_sample import MEMORY, rate_result, report_of

from clicktodial.bench.export import render_json


def test_json_has_what_was_measured_and_what_follows() -> None:
    text = render_json(report_of(rate_result(20.0, cpu_ms=2.0), memory=MEMORY))
    assert text.endswith(b"}\n")
    document = json.loads(text)
    (rate,) = document["rates"]
    assert rate["offered"] == rate["succeeded"] == 200
    assert rate["success"] == 1.0
    assert rate["sustained"] is True
    assert round(rate["cpu_ms_per_call"], 6) == 2.0
    assert rate["timings"]["connected"] == {"p50": 6.0, "p95": 15.0}
    assert document["memory"]["kb_per_call"] == 50.0
    assert document["machine"]["filesystem"] == "ext4"
    assert document["aims"][0] == {
        "aim": "at most 3 ms CPU a call at 20 calls/s",
        "found": "2.00 ms",
        "reached": True,
    }


def test_json_without_memory_has_null() -> None:
    assert json.loads(render_json(report_of()))["memory"] is None
