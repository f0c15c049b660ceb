"""What a MESSAGE carries, as text (RFC 3428 §7, RFC 7572 §7)."""

from random import Random
from zlib import compress

import pytest

from dragoman.mapping import composing, imdn, rcs
from dragoman.mapping.content import ACCEPT, MAX_DEPTH, MAX_PARTS, TYPES, Content, read
from dragoman.mapping.failure import Refused
from dragoman.mapping.html import MOST_TAGS
from dragoman.sip.message import Request, SipError, parse
from dragoman.xmpp.element import to_xml
from tests.sip.rfc4475 import MESSAGES


def request(media: str, body: bytes, *headers: tuple[str, str]) -> Request:
    typed = [("Content-Type", media)] if media else []
    return Request("MESSAGE", "sip:a@b", [*typed, *headers], body)


def text(media: str, body: bytes) -> str:
    return read(request(media, body)).text


def multipart(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--" % boundary


HTML = b"Content-Type: text/html\r\n\r\n<p>hello</p>"
BOLD = b"Content-Type: text/html\r\n\r\n<b>hello</b>"
PICTURE = b"Content-Type: image/png\r\nContent-Disposition: x;filename=pic.png\r\n\r\nx"
QUOTED = PICTURE.replace(b"pic.png", b'"a b.png"')
FILES = (
    b"<file xmlns='urn:gsma:params:xml:ns:rcs:rcs:fthttp'><file-info type='file'>"
    b"<data url='https://b.example/f' until='2026-12-01T00:00:00Z'/></file-info></file>"
)
PLAIN = b"Content-Type: text/plain\r\n\r\nhello"


@pytest.mark.spec("IM-10")
@pytest.mark.parametrize(
    ("media", "body", "meant"),
    [
        ("text/plain", b"caf\xc3\xa9", "café"),
        ("text/plain; charset=UTF-8", b"caf\xc3\xa9", "café"),
        ("TEXT/Plain;Charset=utf-8", b"caf\xc3\xa9", "café"),
        ('text/plain;charset="ISO-8859-1"', b"caf\xe9", "café"),
        ("text/plain;charset=iso-8859-15", b"10 \xa4", "10 €"),
        ("text/plain;charset=windows-1252", b"\x80 10", "€ 10"),
        ("text/plain;charset=koi8-r", b"\xd4\xc5\xd3\xd4", "тест"),
        ("text/plain;charset=utf-16", "\ufeffcafé".encode("utf-16-le"), "café"),
        ("text/plain;charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain;charset=us-ascii", b"caf\xc3\xa9", "café"),
        ("text/plain;format=flowed", b"a b", "a b"),
        ("text/plain", b"caf\xe9!", "caf\ufffd!"),
        ("text/plain", b"\xff\xfe", "\ufffd\ufffd"),
        ("text/plain", b"", ""),
    ],
)
def test_charsets(media: str, body: bytes, meant: str) -> None:
    assert text(media, body) == meant


def test_every_charset_that_is_named_is_known() -> None:
    for name in (
        "iso-8859-16",
        "windows-1250",
        "gb18030",
        "big5",
        "euc-kr",
        "iso-2022-kr",
        "tis-620",
    ):
        assert text(f"text/plain;charset={name}", b"abc") == "abc"


def test_line_ends() -> None:
    assert text("text/plain", b"a\r\nb\nc\rd\r\n") == "a\nb\nc\nd\n"


@pytest.mark.spec("IM-29")
def test_what_xml_forbids_is_left_out() -> None:
    body = "a\x00b\x08c\x1bd\x7fe\ufffef\U0001f339\tg\n".encode()
    assert text("text/plain", body) == "abcd\x7fef\U0001f339\tg\n"


@pytest.mark.spec("IM-12")
@pytest.mark.parametrize(
    "media",
    [
        "application/im-iscomposing+xml",
        "message/imdn+xml",
        "application/xhtml+xml",
        "image/png",
        "message/sip",
        "text/plain;charset=x-unheard-of",
        "text/plain;charset=base64",
        "text/plain;charset=unicode_escape",
        "multipart/mixed;boundary=b",
    ],
)
def test_unsupported(media: str) -> None:
    with pytest.raises(Refused) as caught:
        text(media, b"x")
    assert caught.value.answer.status == 415
    assert caught.value.answer.headers == (("Accept", ACCEPT),)


@pytest.mark.parametrize("media", TYPES)
def test_what_accept_lists_works(media: str) -> None:
    cpim = b"From: <im:a@b>\r\n\r\n" + PLAIN
    special = {"text/html": b"<b>hello</b>", "message/cpim": cpim, rcs.MEDIA_TYPE: FILES}
    if media in (imdn.TYPE, composing.MEDIA_TYPE):
        return  # these are no messages, and are taken before: tests/bridge has them
    body = special.get(media, multipart(PLAIN) if media.startswith("multipart") else b"hello")
    assert text(f"{media};boundary=b", body) in ("hello", "https://b.example/f")


def test_body_without_a_type() -> None:
    assert read(request("", b"")) == Content("")
    with pytest.raises(Refused) as caught:
        text("", b"x")
    assert caught.value.status == 400


def test_type_that_is_none() -> None:
    with pytest.raises(SipError):
        text("nonsense", b"x")


@pytest.mark.spec("IM-33")
@pytest.mark.parametrize("encoding", ["identity, gzip", "br"])
def test_body_encoded_in_an_unknown_way(encoding: str) -> None:
    with pytest.raises(Refused) as caught:
        read(request("text/plain", b"x", ("Content-Encoding", encoding)))
    assert caught.value.answer.status == 415
    assert caught.value.answer.headers == (("Accept-Encoding", "gzip, deflate, identity"),)


def test_encoded_body_is_read() -> None:
    encoded = compress("café".encode())
    found = read(request("text/plain", encoded, ("Content-Encoding", "deflate")))
    assert found.text == "café"


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_body_that_is_not_encoded(encoding: str) -> None:
    found = read(request("text/plain", b"x", ("Content-Encoding", encoding)))
    assert found.text == "x"


CPIM = (
    b"From: MR SANDERS <im:piglet@100akerwood.com>\r\n"
    b"DateTime: 2000-12-13T13:40:00-08:00\r\n"
    b"Subject: the weather will be fine today\r\n"
    b"\r\n"
    b"Content-type: text/plain; charset=iso-8859-1\r\nContent-Language: en\r\n\r\ncaf\xe9\r\n"
)


def test_cpim() -> None:
    found = read(request("Message/CPIM", CPIM))
    assert (found.text, found.language) == ("café\n", "en")
    assert found.wrapper is not None
    assert found.wrapper.subject() == "the weather will be fine today"


@pytest.mark.spec("IM-28")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Require: From, Subject", None),
        (b"Require: Vital", 415),
        (b"NS: imdn <urn:ietf:params:imdn>\r\nRequire: imdn.Message-ID", 415),
        (b"NS: x <urn:ietf:params:cpim-headers:>\r\nRequire: x.To", None),
        (b"require: Vital", None),
    ],
)
def test_cpim_that_requires(line: bytes, status: int | None) -> None:
    body = line + b"\r\n\r\n" + PLAIN
    if status is None:
        assert text("message/cpim", body) == "hello"
        return
    with pytest.raises(Refused) as caught:
        text("message/cpim", body)
    assert caught.value.status == status


def test_cpim_that_is_none() -> None:
    with pytest.raises(Refused) as caught:
        text("message/cpim", b"hello")
    assert caught.value.status == 400


def test_cpim_around_something_else() -> None:
    with pytest.raises(Refused) as caught:
        text("message/cpim", b"From: <im:a@b>\r\n\r\n" + PICTURE)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "body",
    [
        multipart(b"\r\nhello"),
        b"a preamble\r\n" + multipart(PLAIN) + b"\r\nan epilogue",
        b"--b \t\r\n" + PLAIN + b"\r\n--b--",
        b"--b\r\n" + PLAIN,
        multipart(b"Content-Type:\r\n text/plain\r\n\r\nhello"),
        multipart(b"Content-Disposition: x;handling=optional\r\nContent-Type: x\r\n\r\nx", PLAIN),
        multipart(b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8="),
        multipart(b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\nhel=6C=\r\no"),
        multipart(b"Content-Transfer-Encoding: binary\r\n\r\nhello"),
        multipart(b"Content-Type: message/cpim\r\n\r\nFrom: <im:a@b>\r\n\r\n" + PLAIN),
        multipart(
            b"Content-Type: multipart/alternative;boundary=b1\r\n\r\n"
            + multipart(HTML, PLAIN, boundary=b"b1")
        ),
    ],
)
def test_the_text_of_a_multipart(body: bytes) -> None:
    assert text("multipart/mixed;boundary=b", body) == "hello"


@pytest.mark.parametrize(
    ("parts", "meant"),
    [
        ((PLAIN, HTML), "hello\nhello"),
        ((PLAIN, PICTURE), "hello\n[left out: pic.png, image/png]"),
        ((PICTURE, PLAIN), "[left out: pic.png, image/png]\nhello"),
        ((PLAIN, b"Content-Type: x/\xff\r\n\r\n"), "hello\n[left out: x/\ufffd]"),
        ((PLAIN, b"Content-Transfer-Encoding: base64\r\n\r\na"), "hello\n[left out: text/plain]"),
        ((PLAIN, b"Content-Transfer-Encoding: x-u\r\n\r\nx"), "hello\n[left out: text/plain]"),
        ((PLAIN, b"Content-Type: nonsense\r\n\r\nx"), "hello\n[left out: nonsense]"),
        (
            (PLAIN, PICTURE.replace(b"pic.png", b'"a b.png"')),
            "hello\n[left out: a b.png, image/png]",
        ),
    ],
)
def test_parts_that_cannot_be_read_are_named(parts: tuple[bytes, ...], meant: str) -> None:
    assert text("multipart/mixed;boundary=b", multipart(*parts)) == meant


def test_a_part_that_must_be_understood_is_refused() -> None:
    vital = PICTURE.replace(b"filename", b"handling=required;filename")
    for parts in ((PLAIN, vital), (vital,), (PICTURE,)):
        with pytest.raises(Refused) as caught:
            text("multipart/mixed;boundary=b", multipart(*parts))
        assert caught.value.status == 415


@pytest.mark.parametrize(
    ("start", "meant"),
    [
        ("", "[left out: pic.png, image/png]\nhello"),
        (';start="<root@x>"', "hello\n[left out: pic.png, image/png]"),
        (';start="<other@x>"', "[left out: pic.png, image/png]\nhello"),
    ],
)
def test_of_related_parts_the_root_comes_first(start: str, meant: str) -> None:
    body = multipart(PICTURE, b"Content-ID: <root@x>\r\n" + HTML)
    assert text(f"multipart/related;boundary=b{start}", body) == meant


@pytest.mark.spec("IM-11")
def test_what_is_left_out_is_named_in_every_form() -> None:
    found = read(request("multipart/related;boundary=b", multipart(PICTURE, BOLD, PICTURE)))
    named = "[left out: pic.png, image/png]"
    assert found.text == f"{named}\nhello\n{named}"
    assert found.xhtml is not None
    formatted = to_xml(found.xhtml)
    assert formatted.index(named) < formatted.index("<strong>hello") < formatted.rindex(named)
    inner = multipart(
        b"Content-Language: en\r\n\r\nhello",
        b"Content-Language: cs\r\n\r\nahoj",
        boundary=b"c",
    )
    whole = multipart(b"Content-Type: multipart/alternative;boundary=c\r\n\r\n" + inner, PICTURE)
    found = read(request("multipart/mixed;boundary=b", whole))
    assert (found.text, found.translations) == (f"hello\n{named}", (("cs", f"ahoj\n{named}"),))


@pytest.mark.spec("IM-11")
@pytest.mark.parametrize("parts", [(PLAIN, BOLD), (BOLD, PLAIN)])
def test_alternatives_are_one_text_and_its_formatting(parts: tuple[bytes, ...]) -> None:
    found = read(request("multipart/alternative;boundary=b", multipart(*parts)))
    assert found.text == "hello"
    assert found.xhtml is not None
    assert "<strong>hello</strong>" in to_xml(found.xhtml)


def test_alternatives_in_several_languages_are_all_kept() -> None:
    said = {"en": b"hello", "cs": b"ahoj", "de": b"hallo"}
    parts = [b"Content-Language: %b\r\n\r\n%b" % (tag.encode(), each) for tag, each in said.items()]
    found = read(request("multipart/alternative;boundary=b", multipart(*parts, parts[0])))
    assert (found.text, found.language) == ("hello", "en")
    assert found.translations == (("cs", "ahoj"), ("de", "hallo"))


def test_html_that_is_too_long_leaves_the_plain_text() -> None:
    long = b"Content-Type: text/html\r\n\r\n" + b"<b>" * (MOST_TAGS + 1)
    assert text("multipart/alternative;boundary=b", multipart(PLAIN, long)) == "hello"
    for media, body in (
        ("multipart/alternative;boundary=b", multipart(long)),
        ("text/html", b"<b>" * (MOST_TAGS + 1)),
    ):
        with pytest.raises(Refused) as caught:
            text(media, body)
        assert caught.value.status == 413


def test_files_are_addresses() -> None:
    found = read(request(rcs.MEDIA_TYPE, FILES))
    assert (found.text, found.urls) == ("https://b.example/f", ("https://b.example/f",))
    with pytest.raises(Refused) as caught:
        read(request(rcs.MEDIA_TYPE, b"<file/>"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("name", "meant"),
    [(b"<file-name>a\tb</file-name>", "[encrypted file: a b]"), (b"", "[encrypted file]")],
)
def test_an_encrypted_file_is_named_and_not_led_to(name: bytes, meant: str) -> None:
    body = FILES.replace(b"<data", name + b"<file-key>eA==</file-key><data", 1)
    found = read(request(rcs.MEDIA_TYPE, body))
    assert (found.text, found.urls) == (meant, ())


def test_language_of_a_part() -> None:
    body = multipart(b"Content-Language: cs\r\n\r\nahoj")
    assert read(request("multipart/alternative;boundary=b", body)).language == "cs"


def test_delimiter_within_a_line_is_text() -> None:
    assert (
        text("multipart/mixed;boundary=b", multipart(b"\r\nx --b y\r\n--bb\r\nz"))
        == "x --b y\n--bb\nz"
    )


@pytest.mark.parametrize("media", ["multipart/mixed", f"multipart/mixed;boundary={'b' * 71}"])
def test_multipart_without_a_boundary(media: str) -> None:
    with pytest.raises(Refused) as caught:
        text(media, multipart(PLAIN))
    assert caught.value.status == 400


def nested(depth: int) -> bytes:
    part = PLAIN
    for level in range(depth):
        name = b"b%d" % level
        part = b"Content-Type: multipart/mixed;boundary=%b\r\n\r\n" % name + multipart(
            part, boundary=name
        )
    return part


@pytest.mark.spec("IM-33")
def test_depth_is_bounded() -> None:
    for depth, fits in ((MAX_DEPTH - 1, True), (MAX_DEPTH, False), (500, False)):
        body = multipart(nested(depth), boundary=b"outer")
        if fits:
            assert text("multipart/mixed;boundary=outer", body) == "hello"
            continue
        with pytest.raises(Refused) as caught:
            text("multipart/mixed;boundary=outer", body)
        assert caught.value.status == 415


@pytest.mark.spec("IM-33")
def test_number_of_parts_is_bounded() -> None:
    many = multipart(*[b"Content-Type: text/plain\r\n\r\n"] * (MAX_PARTS - 1), PLAIN)
    assert text("multipart/mixed;boundary=b", many) == "hello"
    with pytest.raises(Refused) as caught:
        text("multipart/mixed;boundary=b", multipart(*[HTML] * MAX_PARTS, PLAIN))
    assert caught.value.status == 413


def test_mutated_bodies_are_read_or_refused() -> None:
    random = Random(2046)  # noqa: S311 - the same mutations every time
    seed = multipart(b"Content-Type: message/cpim\r\n\r\n" + CPIM, HTML, nested(3))
    for _ in range(400):
        body = bytearray(seed)
        for _ in range(random.randrange(1, 10)):
            at = random.randrange(len(body))
            body[at : at + random.randrange(4)] = random.choice(
                (
                    b"--b",
                    b"\r\n",
                    b"\x00",
                    b"\xff",
                    b":",
                    b"charset=utf-7",
                    b"base64",
                    b"multipart/x",
                )
            )
        try:
            assert isinstance(text("multipart/mixed;boundary=b", bytes(body)), str)
        except Refused as refused:
            assert refused.status in (400, 413, 415)  # noqa: PT017 - either outcome is right


@pytest.mark.spec("NET-19")
def test_torture_bodies() -> None:
    # RFC 4475 §3.1.1.11: the text is read, the signature beside it, bytes of every kind, is not.
    assert read(_request("mpart01")).text == "Hello\n[left out: application/octet-stream]"
    # §3.3.6: 415 says what would be understood.
    with pytest.raises(Refused) as caught:
        read(_request("invut"))
    assert caught.value.answer.status == 415
    assert [name for name, _ in caught.value.answer.headers] == ["Accept"]


def _request(name: str) -> Request:
    found = parse(MESSAGES[name])
    assert isinstance(found, Request)
    return found
