"""CPIM message format (RFC 3862)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.msrp.cpim import NS, Cpim, CpimError, Header, address, escape, unescape, wrap
from tests.fuzz.fuzz_cpim import one_input

FEATURES = "mid:MessageFeatures@id.foo.com"

EXAMPLE = (
    b"From: MR SANDERS <im:piglet@100akerwood.com>\r\n"
    b"To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n"
    b"DateTime: 2000-12-13T13:40:00-08:00\r\n"
    b"Subject: the weather will be fine today\r\n"
    b"Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n"
    b"NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"
    b"Require: MyFeatures.VitalMessageOption\r\n"
    b"MyFeatures.VitalMessageOption: Confirmation-requested\r\n"
    b"MyFeatures.WackyMessageOption: Use-silly-font\r\n"
    b"\r\n"
    b"Content-Type: text/xml; charset=utf-8\r\n"
    b"Content-Id: <1234567890@foo.com>\r\n"
    b"\r\n"
    b"<body>\r\nHere is the text of my message.\r\n</body>"
)


def minimal(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\nContent-Type: a/b\r\n\r\nx"


@pytest.mark.spec("IM-28")
def test_example_of_section_5_1() -> None:
    message = Cpim.parse(EXAMPLE)
    assert message.get("From") == "MR SANDERS <im:piglet@100akerwood.com>"
    assert message.get("DateTime") == "2000-12-13T13:40:00-08:00"
    assert message.get("WackyMessageOption", FEATURES) == "Use-silly-font"
    assert message.get("WackyMessageOption") is None
    assert message.subject() == "the weather will be fine today"
    assert message.subject("fr") == "beau temps prevu pour aujourd'hui"
    assert message.requires() == ((FEATURES, "VitalMessageOption"),)
    assert message.content_header("content-type") == "text/xml; charset=utf-8"
    assert message.content == b"<body>\r\nHere is the text of my message.\r\n</body>"
    assert message.encode() == EXAMPLE


@pytest.mark.spec("IM-28")
def test_header_names_match_exactly_and_content_names_do_not() -> None:
    message = Cpim.parse(b"from: <im:a@b>\r\nsubject: x\r\n\r\nCONTENT-type: text/plain\r\n\r\n")
    assert message.get("From") is None
    assert message.subject() is None
    assert message.get("from") == "<im:a@b>"
    assert message.content_header("content-type") == "text/plain"


@pytest.mark.spec("IM-28")
@pytest.mark.parametrize(
    ("lines", "namespace", "name"),
    [
        (("NS: acme <http://id.acme/>", "acme.trap: set"), "http://id.acme/", "trap"),
        (("NS: widget <http://id.acme/>", "widget.trap: set"), "http://id.acme/", "trap"),
        (("NS: <http://id.acme/>", "trap: set"), "http://id.acme/", "trap"),
        (("trap: set",), NS, "trap"),
        (("acme.trap: set", "NS: acme <http://id.acme/>"), "", "trap"),
        (("NS: acme <urn:1>", "NS: acme <urn:2>", "acme.trap: set"), "urn:2", "trap"),
    ],
)
def test_a_prefix_stands_for_what_was_declared_before_it(
    lines: tuple[str, ...], namespace: str, name: str
) -> None:
    assert Cpim.parse(minimal(*lines)).get(name, namespace) == "set"


@pytest.mark.spec("IM-28")
@pytest.mark.parametrize(
    ("lines", "required"),
    [
        (("Require: From",), ((NS, "From"),)),
        (("NS: a <urn:a>", "Require: a.One, Two"), (("urn:a", "One"), (NS, "Two"))),
        (("Require: unheard.Of",), (("", "Of"),)),
        (("require: a.One",), ()),
    ],
)
def test_require(lines: tuple[str, ...], required: tuple[tuple[str, str], ...]) -> None:
    assert Cpim.parse(minimal(*lines)).requires() == required


@pytest.mark.spec("IM-28")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"tab\tlf\ncr\rbs\b", "tab\tlf\ncr\rbs\b"),
        (r"back\\slash", "back\\slash"),
        (r"\\n", "\\n"),
        (r"\\\n", "\\\n"),
        (r"\u0007\u007F", "\x07\x7f"),
    ],
)
def test_escapes_of_section_2_3(written: str, meant: str) -> None:
    assert unescape(written) == meant
    assert escape(meant) == written.replace("7F", "7f")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\"q\"", '"q"'),
        (r"o\'clock", "o'clock"),
        (r"\x", "x"),
        (r"\u00e9t\u00E9", "été"),
        (r"\u12", "u12"),
        (r"\u00zz", "u00zz"),
        (r"\ud83d", "\ufffd"),
        ("end\\", "end"),
        ("\\", ""),
    ],
)
def test_escapes_that_are_read_and_never_written(written: str, meant: str) -> None:
    assert unescape(written) == meant


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_value_survives_escaping(value: str) -> None:
    escaped = escape(value)
    assert unescape(escaped) == value
    assert not set(escaped) & set(map(chr, range(32)))


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (
            "Winnie the Pooh <im:pooh@100akerwood.com>",
            ("Winnie the Pooh", "im:pooh@100akerwood.com"),
        ),
        ("<im:tigger@100akerwood.com>", ("", "im:tigger@100akerwood.com")),
        ('"A <b>" <sip:a@b>', ("A <b>", "sip:a@b")),
    ],
)
def test_address(value: str, parts: tuple[str, str]) -> None:
    assert address(value) == parts


@pytest.mark.parametrize("value", ["im:a@b", "<im:a@b", "A <im:a@b> x", ""])
def test_no_address(value: str) -> None:
    with pytest.raises(CpimError):
        address(value)


def test_folded_header_of_the_content() -> None:
    message = Cpim.parse(b"a: b\r\n\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\nx")
    assert message.content_header("content-type") == "text/plain; charset=utf-8"


def test_content_without_headers() -> None:
    assert Cpim.parse(b"a: b\r\n\r\n\r\nx") == Cpim((Header("a", "b"),), (), b"x")


def test_no_headers_at_all() -> None:
    assert Cpim.parse(b"\r\nA: b\r\n\r\nx") == Cpim((), (("a", "b"),), b"x")
    assert Cpim.parse(b"\r\n\r\nx") == Cpim((), (), b"x")
    assert Cpim((), (), b"x").encode() == b"\r\n\r\nx"


def test_missing_space_is_forgiven() -> None:
    assert Cpim.parse(minimal("From:<im:a@b>")).get("From") == "<im:a@b>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"From: <im:a@b>\r\n",
        b"From: <im:a@b>\r\n\r\nContent-Type: a/b",
        b"From: <im:a@b>\n\nContent-Type: a/b\n\nx",
        minimal("no colon"),
        minimal(": nameless"),
        minimal("two words: x"),
        minimal("a.b.c: x"),
        minimal("a.: x"),
        minimal(".a: x"),
        minimal("bell: \x07"),
        minimal(" led: by a space"),
        minimal("caf\u00e9: x"),
        minimal("Subject:;lang=fr"),
        minimal("NS: a urn:x"),
        minimal("NS: a b <urn:x>"),
        b"Subject: \xff\r\n\r\nContent-Type: a/b\r\n\r\nx",
        b"a: b\r\n\r\nno colon\r\n\r\nx",
        b"a: b\r\n\r\nContent-Type: a\x00b\r\n\r\nx",
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(CpimError):
        Cpim.parse(data)


def test_bounds() -> None:
    data = minimal(*(f"a: {number}" for number in range(64)))
    assert len(Cpim.parse(data, limit=len(data)).headers) == 64
    with pytest.raises(CpimError, match="more than 63"):
        Cpim.parse(data, max_headers=63)
    with pytest.raises(CpimError, match="bytes"):
        Cpim.parse(data, limit=len(data) - 1)


def test_wrap_writes_the_strict_form() -> None:
    message = wrap(
        [Header("From", "<sip:a@b>"), Header("Subject", "a\r\nb", language="en")], b"hello"
    )
    assert message.encode() == (
        b"From: <sip:a@b>\r\nSubject:;lang=en a\\r\\nb\r\n\r\n"
        b"Content-Type: text/plain;charset=UTF-8\r\n\r\nhello"
    )


@pytest.mark.parametrize(
    "message",
    [
        wrap([Header("two words", "x")], b""),
        wrap([Header("a", "x", prefix="b.c")], b""),
        wrap([Header("a", "x", language="en\r\nb: c")], b""),
        wrap([], b"", "text/plain\r\nX: y"),
    ],
)
def test_what_cannot_be_written_is_our_fault(message: Cpim) -> None:
    with pytest.raises(LocalError):
        message.encode()


def test_mutated_examples() -> None:
    random = Random(3862)  # noqa: S311 - the same mutations every time
    for _ in range(400):
        data = bytearray(EXAMPLE)
        for _ in range(random.randrange(1, 8)):
            at = random.randrange(len(data))
            data[at : at + random.choice((0, 1, 4))] = random.choice(
                (
                    b"",
                    b"\r\n",
                    b"\\",
                    b":",
                    b"\xff",
                    b"\r\n\r\n",
                    b"NS: <",
                    bytes([random.randrange(256)]),
                )
            )
        one_input(bytes(data))
