"""Content-Encoding (RFC 3261 §20.12, RFC 1950, RFC 1952)."""

import gzip
import zlib

import pytest

from dragoman.mapping.encoding import ENCODINGS, MAX_BODY, MAX_RATIO, decoded
from dragoman.mapping.failure import Refused
from dragoman.sip.message import Request

TEXT = b"wherefore art thou " * 20


def request(body: bytes, *encodings: str) -> Request:
    headers = [("Content-Encoding", encoding) for encoding in encodings]
    return Request("MESSAGE", "sip:a@b", [*headers, ("Content-Type", "text/plain")], body)


def refused(body: bytes, *encodings: str) -> Refused:
    with pytest.raises(Refused) as caught:
        decoded(request(body, *encodings))
    return caught.value


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("deflate", zlib.compress(TEXT)),
        ("Deflate ", zlib.compress(TEXT, 9)),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
    ],
)
def test_a_body_is_decoded(encoding: str, body: bytes) -> None:
    found = decoded(request(body, encoding))
    assert (found.body, found.get("Content-Encoding")) == (TEXT, None)
    assert found.get("Content-Type") == "text/plain"
    assert (found.method, found.target) == ("MESSAGE", "sip:a@b")


@pytest.mark.parametrize("encodings", [(), ("",), ("identity",), ("Identity",)])
def test_a_body_that_is_not_encoded_stays(encodings: tuple[str, ...]) -> None:
    plain = request(TEXT, *encodings)
    assert decoded(plain) is plain


def test_no_body_needs_no_decoding() -> None:
    empty = request(b"", "br")
    assert decoded(empty) is empty


@pytest.mark.parametrize(
    "encodings", [("br",), ("deflate, gzip",), ("deflate", "gzip"), ("gzip", "gzip")]
)
def test_other_codings_are_refused_with_what_would_do(encodings: tuple[str, ...]) -> None:
    answer = refused(zlib.compress(TEXT), *encodings).answer
    assert (answer.status, answer.headers) == (415, (("Accept-Encoding", ", ".join(ENCODINGS)),))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("deflate", TEXT),
        ("gzip", zlib.compress(TEXT)),
        ("deflate", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)[:-1]),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-1]),
        ("deflate", zlib.compress(TEXT) + b"x"),
        ("gzip", gzip.compress(TEXT, mtime=0) * 2),
        ("deflate", b"\x78"),
    ],
)
def test_a_body_that_is_not_so_encoded_is_refused(encoding: str, body: bytes) -> None:
    assert refused(body, encoding).status == 400


@pytest.mark.spec("IM-33")
@pytest.mark.parametrize("length", [MAX_BODY + 1, 10_000_000])
def test_a_body_that_grows_too_long_is_refused(length: int) -> None:
    varied = bytes(number * number % 251 for number in range(1000))
    body = zlib.compress((varied * (length // 1000 + 1))[:length], 0 if length < 10**6 else 9)
    assert refused(body, "deflate").status == 413


@pytest.mark.spec("IM-33")
def test_a_body_that_grows_too_much_is_refused() -> None:
    body = zlib.compress(bytes(MAX_BODY - 1), 9)
    assert MAX_RATIO * len(body) < MAX_BODY - 1
    assert refused(body, "deflate").status == 413


def test_a_body_may_be_as_long_as_the_limit() -> None:
    varied = (bytes(range(256)) * (MAX_BODY // 256))[:MAX_BODY]
    assert decoded(request(zlib.compress(varied, 1), "deflate")).body == varied
