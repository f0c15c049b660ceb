"""Tokens, quoted strings, parameters and lists (RFC 3261 §25.1)."""

import contextlib
import time

import pytest

from dragoman.sip import grammar
from dragoman.sip.failure import SipError


@pytest.mark.parametrize("text", ["MESSAGE", "z9hG4bK-1", "-.!%*_+`'~", "7"])
def test_tokens(text: str) -> None:
    assert grammar.is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a;b", "a@b", '"a"', "é", "a\x00", "٣", "a/b"])
def test_not_tokens(text: str) -> None:
    assert not grammar.is_token(text)


def test_numbers() -> None:
    assert grammar.parse_number("0070", "x", 70) == 70
    for text in ("", "71", "-1", "+1", "1.0", " 1", "²", "٣", "0" * 65, "9" * 5000):
        with pytest.raises(SipError):
            grammar.parse_number(text, "x", 70)


@pytest.mark.parametrize("text", ["", "plain", 'a "b" c', "back\\slash", "\\", '"', "é☃"])
def test_quoting_is_undone_by_unquoting(text: str) -> None:
    assert grammar.unquote(grammar.quote(text)) == text
    assert grammar.take_quoted(grammar.quote(text) + "rest") == (text, "rest")


def test_what_is_not_quoted_stays() -> None:
    for text in ("", "a", '"open', 'a"b"', '"closed" too late', '"escaped end\\"'):
        assert grammar.unquote(text) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("a", ["a"]),
        (" a ,\tb ", ["a", "b"]),
        (",a,,b,", ["a", "b"]),
        ('"a,b", c', ['"a,b"', "c"]),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ("<sip:a,b@c>;x=1,<d>", ["<sip:a,b@c>;x=1", "<d>"]),
        ('"<,", "b>,"', ['"<,"', '"b>,"']),
        ('<a"b,c>,"d"', ['<a"b,c>', '"d"']),
    ],
)
def test_split_at_commas(text: str, pieces: list[str]) -> None:
    assert grammar.split(text, ",") == pieces


@pytest.mark.parametrize("text", ['"a', '"a\\"', "<a", '"a", "b', '<a>,<b<c>,"d', '"\\'])
def test_split_refuses_what_is_never_closed(text: str) -> None:
    with pytest.raises(SipError):
        grammar.split(text, ",")


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("", ()),
        (";tag=1918181833n", (("tag", "1918181833n"),)),
        (" ;  \ttag\t =  98asjd8 ".strip(), (("tag", "98asjd8"),)),
        (";lr;Q=0.33", (("lr", None), ("q", "0.33"))),
        (';x="a;b=\\"c";y', (("x", '"a;b=\\"c"'), ("y", None))),
        (";rport=;a", (("rport", ""), ("a", None))),
        (";received=[2001:db8::9:255]", (("received", "[2001:db8::9:255]"),)),
        (";gr=urn:uuid:f81d/a@b=c", (("gr", "urn:uuid:f81d/a@b=c"),)),
        (';x="работающий"', (("x", '"работающий"'),)),
        (";;a;", (("a", None),)),
    ],
)
def test_params(text: str, params: grammar.Params) -> None:
    assert grammar.parse_params(text) == params
    assert grammar.parse_params(grammar.print_params(params)) == params


@pytest.mark.parametrize(
    "text", ["tag=x", ";=x", ";a b", ";a=b c", ";a=b,c", ';a="b', ';a="b"c', ";a=é", ";a=<b>", ";@"]
)
def test_not_params(text: str) -> None:
    with pytest.raises(SipError):
        grammar.parse_params(text)


def test_find_param_takes_the_first_and_unquotes() -> None:
    params = grammar.parse_params(';x="a\\"b";X=2;bare')
    assert grammar.find_param(params, "x") == 'a"b'
    assert grammar.find_param(params, "bare") == ""
    assert grammar.find_param(params, "y") is None


@pytest.mark.parametrize(
    "text", ['"' + '\\"' * 30000, '"a' * 30001, "<" * 60000, '";' * 30001, "<>;" * 20000]
)
def test_time_to_split_grows_with_the_length_only(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(SipError):
        grammar.split(text, ";")
    assert time.process_time() - began < 0.5
