"""Heads: bytes into header lines (RFC 3261 §7.3)."""

import pytest

from dragoman.sip.failure import SipError
from dragoman.sip.head import MAX_HEADERS, MAX_LINE, head_end, read_broken_head, read_head

START = b"OPTIONS sip:a SIP/2.0"


def headers_of(*lines: bytes) -> list[tuple[str, str]]:
    return read_head(b"\r\n".join((START, *lines)))[1]


# The four spellings and the folded ones of RFC 3261 §7.3.1.
@pytest.mark.parametrize(
    "line",
    [
        b"Subject:            lunch",
        b"Subject      :      lunch",
        b"Subject            :lunch",
        b"Subject: lunch",
        b"SUBJECT:\tlunch \t",
        b"s: lunch",
        b"S:lunch",
    ],
)
def test_blanks_and_case_mean_nothing(line: bytes) -> None:
    assert headers_of(line) == [("Subject", "lunch")]


def test_folded_lines_become_one_blank() -> None:
    folded = headers_of(
        b"Subject: I know you're there,  ", b"         pick up the phone   ", b"\tand talk"
    )
    assert folded == [("Subject", "I know you're there, pick up the phone and talk")]
    assert headers_of(b"TO :", b" sip:a@b.example ;   tag    = 1") == [
        ("To", "sip:a@b.example ;   tag    = 1")
    ]


def test_order_unknown_names_and_empty_values_are_kept() -> None:
    assert headers_of(b"x-NEW: ;;,,;;,;", b"Via: a", b"s :", b"v: b") == [
        ("X-New", ";;,,;;,;"),
        ("Via", "a"),
        ("Subject", ""),
        ("Via", "b"),
    ]


def test_utf8_and_quoted_control_characters_are_values() -> None:
    assert headers_of("Subject: é ☃ \u2028\u0085 x".encode())[0][1] == "é ☃ \u2028\u0085 x"
    assert headers_of(b'To: "\\\x00\\\x07\\\x7f" <sip:a@b>')[0][1].startswith('"\\\x00')


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b": no name",
        b"a b: c",
        b"a\xc3\xa9: c",
        b"Subject: \xff",
        b"Subject: \xed\xa0\x80",
        b"Subject: a\rVia: b",
        b"Subject: a\r",
        b"Subject: \xc0\x80",
    ],
)
def test_refused_lines(line: bytes) -> None:
    with pytest.raises(SipError) as caught:
        headers_of(b"Via: a", line)
    assert caught.value.status == 400


def test_a_fold_needs_something_to_continue() -> None:
    with pytest.raises(SipError):
        headers_of(b" Via: a")


def test_limits() -> None:
    assert len(headers_of(*[b"a: b"] * MAX_HEADERS)) == MAX_HEADERS
    assert len(headers_of(b"Q:" + b"b" * (MAX_LINE - 1))[0][1]) == MAX_LINE - 1
    for lines in (
        [b"a: b"] * (MAX_HEADERS + 1),
        [b"a: b", *[b" c"] * MAX_HEADERS],
        [b"Q:" + b"b" * MAX_LINE],
        [b"a" * MAX_LINE + b": b"],
        [b"Q: b", *[b" " + b"c" * 100] * 90],
    ):
        with pytest.raises(SipError) as caught:
            headers_of(*lines)
        assert caught.value.status == 400
    with pytest.raises(SipError) as caught:
        read_head(b"OPTIONS sip:" + b"a" * MAX_LINE + b" SIP/2.0")
    assert caught.value.status == 414


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a\r\n\r\nb", (1, 5)),
        (b"a\n\nb", (1, 3)),
        (b"a\n\r\nb", (1, 4)),
        (b"a\r\n\nb", (1, 4)),
        (b"a\r\nb: c\r\n", None),
        (b"a\n\nb\r\n\r\n", (1, 3)),
        (b"a\r\n\r\nb\n\n", (1, 5)),
        (b"\n\r\n", (0, 3)),
        (b"", None),
    ],
)
def test_head_end(data: bytes, found: tuple[int, int] | None) -> None:
    assert head_end(data) == found


def test_a_broken_head_gives_what_makes_sense() -> None:
    broken = b"x \xff\r\nVia: a\r\n b\r\nnonsense\r\n fold\r\nFrom: \xff\r\n\r\nbody: x"
    assert read_broken_head(broken) == (
        "x \ufffd",
        [("Via", "a b"), ("From", "\ufffd")],
    )
    assert read_broken_head(b"") == ("", [])
    assert len(read_broken_head(b"x" + b"\r\na: b" * (MAX_HEADERS + 1))[1]) == MAX_HEADERS
    assert read_broken_head(b"\r\n fold") == ("", [])
