"""Dates (RFC 3261 §20.17, XEP-0082, RFC 3339)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.date import parse_sip_date, parse_stamp, sip_date, stamp

MOMENT = 1289690940.0


def test_example_of_rfc_3261() -> None:
    assert parse_sip_date("Sat, 13 Nov 2010 23:29:00 GMT") == MOMENT
    assert sip_date(MOMENT) == "Sat, 13 Nov 2010 23:29:00 GMT"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "13 Nov 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 23:29:00 CET",
        "sat, 13 nov 2010 23:29:00 gmt",
        "Sat, 31 Feb 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 24:29:00 GMT",
        "Sat, 13 Nov 0000 23:29:00 GMT",
        "Sat, 13 Nov 1910 23:29:00 GMT",
        "Sat, 1\u0663 Nov 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 23:29:00 GMT ",
    ],
)
def test_no_sip_date(text: str) -> None:
    assert parse_sip_date(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2010-11-13T23:29:00Z", MOMENT),
        ("2010-11-14T00:29:00+01:00", MOMENT),
        ("2010-11-13T23:29:00.000-00:00", MOMENT),
        ("2000-12-13T13:40:00-08:00", 976743600.0),
    ],
)
def test_stamps(text: str, seconds: float) -> None:
    assert parse_stamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "2010-11-13", "2010-11-13T23:29:00", "0001-01-01T00:00:00+23:00", "x", "9999-99-99T0"],
)
def test_no_stamp(text: str) -> None:
    assert parse_stamp(text) is None


@given(st.integers(0, 253402300799))
def test_round_trip(seconds: int) -> None:
    assert parse_sip_date(sip_date(seconds)) == seconds
    assert parse_stamp(stamp(seconds)) == seconds
