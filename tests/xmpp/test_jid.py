"""XMPP addresses (RFC 7622; RFC 8264, RFC 8265; IDNA2008)."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile

from dragoman.xmpp import jid as module
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.jid import Jid

USERNAME = get_profile("UsernameCaseMapped")
OPAQUE = get_profile("OpaqueString")
ASCII = st.text(st.characters(max_codepoint=127), min_size=1, max_size=12)


def parts(text: str) -> tuple[str, str, str]:
    jid = Jid.parse(text)
    return jid.local, jid.domain, jid.resource


def refused(text: str) -> bool:
    try:
        Jid.parse(text)
    except StanzaError as error:
        return (error.condition, error.kind) == (Condition.JID_MALFORMED, ErrorType.MODIFY)
    return False


@pytest.mark.parametrize(
    ("text", "local", "domain", "resource"),
    [
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("fu\u00dfball@example.com", "fu\u00dfball", "example.com", ""),
        ("\u03c0@example.com", "\u03c0", "example.com", ""),
        ("\u03a3@example.com/foo", "\u03c3", "example.com", "foo"),
        ("\u03c3@example.com/foo", "\u03c3", "example.com", "foo"),
        ("\u03c2@example.com/foo", "\u03c2", "example.com", "foo"),
        ("king@example.com/\u265a", "king", "example.com", "\u265a"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        # Row 18 of the RFC's table forbids this, OpaqueString and so §3.4 do not.
        ("juliet@example.com/ foo", "juliet", "example.com", " foo"),
    ],
)
def test_legal_addresses_of_the_standard(text: str, local: str, domain: str, resource: str) -> None:
    assert parts(text) == (local, domain, resource)


@pytest.mark.parametrize(
    "text",
    [
        '"juliet"@example.com',
        "foo bar@example.com",
        "@example.com/",
        "henry\u2163@example.com",
        "\u265a@example.com",
        "juliet@",
        "/foobar",
    ],
)
def test_illegal_addresses_of_the_standard(text: str) -> None:
    assert refused(text)


@pytest.mark.spec("ADDR-13")
@pytest.mark.parametrize(
    ("local", "prepared"),
    [("Fu\u00dfBall", "fu\u00dfball"), ("\u03a3", "\u03c3"), ("\u1e9e", "\u00df"), ("ABC", "abc")],
)
def test_localparts_are_lowered_not_folded(local: str, prepared: str) -> None:
    assert Jid.parse(f"{local}@example.com").local == prepared


@pytest.mark.parametrize(
    ("local", "prepared"),
    [
        ("\uff21lice", "alice"),
        ("e\u0301", "\u00e9"),
        ("a\\2Fb", "a\\2fb"),
        ("!#$%()*+,-.;=?[\\]^_`{|}~", "!#$%()*+,-.;=?[\\]^_`{|}~"),
    ],
)
def test_localparts_are_mapped(local: str, prepared: str) -> None:
    assert Jid.parse(f"{local}@example.com").local == prepared


@pytest.mark.parametrize(
    "local",
    [
        "a\uff20b",
        "a\uff0fb",
        "a\nb",
        "\u05d0a",
        "a&b",
        "a'b",
        "a:b",
        "a<b",
        "a>b",
        "\x7f",
        "\ud800",
    ],
)
def test_localparts_that_are_refused(local: str) -> None:
    assert refused(f"{local}@example.com")


@pytest.mark.parametrize(
    ("domain", "prepared"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("xn--bcher-kva.example", "b\u00fccher.example"),
        ("XN--BCHER-KVA.example", "b\u00fccher.example"),
        ("B\u00dcCHER.example.", "b\u00fccher.example"),
        ("bu\u0308cher.example", "b\u00fccher.example"),
        ("\uff45xample\u3002com", "example.com"),
        ("fa\u00df.example", "fa\u00df.example"),
        ("xn--bce.example", "\u13eb.example"),
        ("\u13eb.example", "\u13eb.example"),
        ("\uabbb.example", "\u13eb.example"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::7]", "[2001:db8::7]"),
        ("[2001:DB8:0:0::7]", "[2001:db8::7]"),
        ("[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_domains_are_prepared(domain: str, prepared: str) -> None:
    assert parts(f"a@{domain}/b") == ("a", prepared, "b")
    assert Jid.of("a", domain) == Jid.parse(f"a@{prepared}")


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "a..b",
        "a.b..",
        ".a",
        "-a.example",
        "a-.example",
        "ab--c.example",
        "a_b.example",
        "a b",
        "a@b",
        "a" * 64 + ".example",
        "\u00fc" * 60 + ".example",
        ".".join(["a" * 63] * 3 + ["b" * 62]),
        ".".join(["\u00fc" * 20] * 12),
        "xn--a",
        "xn--",
        "xn--bcher-kva-.example",
        "\u265a.example",
        "\u05d0a.example",
        "[2001:db8::7",
        "[192.0.2.1]",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "2001:db8::7",
        "a\x00b",
        "a" * 5000,
    ],
)
def test_domains_that_are_refused(domain: str) -> None:
    assert refused(f"a@{domain}")


@pytest.mark.parametrize(
    ("resource", "prepared"),
    [
        ("a\u00a0b", "a b"),
        ("e\u0301", "\u00e9"),
        ("ABC", "ABC"),
        ("\uff21", "\uff21"),
        ("a/b", "a/b"),
    ],
)
def test_resources_are_opaque(resource: str, prepared: str) -> None:
    assert Jid.parse(f"example.com/{resource}").resource == prepared


@pytest.mark.parametrize("resource", ["\n", "\x7f", "\u0085", "\ue000", "\u0378", "\udfff"])
def test_resources_that_are_refused(resource: str) -> None:
    assert refused(f"example.com/a{resource}")


@pytest.mark.spec("ADDR-14")
@pytest.mark.parametrize("pattern", ["{}@example.com", "example.com/{}"])
@pytest.mark.parametrize(
    ("unit", "most"),
    [("a", 1023), ("\u00e9", 511), ("e\u0301", 511), ("\u304b\u3099", 341)],
)
def test_parts_have_at_most_1023_octets_once_prepared(pattern: str, unit: str, most: int) -> None:
    jid = Jid.parse(pattern.format(unit * most))
    assert 1021 <= len((jid.local or jid.resource).encode()) <= 1023
    assert refused(pattern.format(unit * (most + 1)))


def test_early_limit_refuses_nothing_that_would_fit() -> None:
    # Three characters that compose to two octets are the best that composition can do.
    assert len(Jid.parse("u\u0308\u0304" * 511 + "@example.com").local.encode()) == 1022
    assert refused("a" * 1_000_000 + "@example.com")
    assert refused("\u00fc" * 1_000_000 + "@example.com")


@pytest.mark.spec("ADDR-26")
def test_comparison_is_of_prepared_and_still_escaped_forms() -> None:
    assert Jid.parse("D\\27Artagnan@Example.COM./X") == Jid.parse("d\\27artagnan@example.com/X")
    assert Jid.parse("a\\5cb@example.com") != Jid.parse("a\\b@example.com")
    assert Jid.parse("a@example.com/x") != Jid.parse("a@example.com/X")
    assert len({Jid.parse("J@xn--bcher-kva.example"), Jid.parse("j@b\u00fccher.example")}) == 1


def test_bare_drops_the_resource_only() -> None:
    jid = Jid.parse("juliet@example.com/balcony")
    assert str(jid) == "juliet@example.com/balcony"
    assert str(jid.bare) == "juliet@example.com"
    assert jid.bare.bare == jid.bare
    assert str(Jid.of("", "example.com", "x")) == "example.com/x"


def enforced(profile: str, text: str) -> str | None:
    try:
        return (USERNAME if profile == "local" else OPAQUE).enforce(text)
    except UnicodeEncodeError:
        return None


@given(ASCII)
@settings(max_examples=200, deadline=None)
def test_ascii_short_cuts_equal_precis(text: str) -> None:
    expected = enforced("local", text)
    if expected is not None and set(expected) & set("\"&'/:<>@"):
        expected = None
    assert attempt(module._localpart, text) == expected
    assert attempt(module._resourcepart, text) == enforced("resource", text)


@pytest.mark.parametrize("code", range(128))
def test_ascii_short_cuts_equal_precis_for_each_character(code: int) -> None:
    text = f"a{chr(code)}b"
    expected = enforced("local", text)
    if expected is not None and set(expected) & set("\"&'/:<>@"):
        expected = None
    assert attempt(module._localpart, text) == expected
    assert attempt(module._resourcepart, text) == enforced("resource", text)


def attempt(prepare: Callable[[str], str], text: str) -> str | None:
    try:
        return prepare(text)
    except StanzaError:
        return None


@given(st.text(max_size=8), st.text(min_size=1, max_size=12), st.text(max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_or_prepared_once_and_for_all(
    local: str, domain: str, resource: str
) -> None:
    text = f"{local}@{domain}/{resource}"
    if not refused(text):
        jid = Jid.parse(text)
        assert Jid.parse(str(jid)) == jid


def test_memory_of_addresses_is_bounded() -> None:
    for number in range(module._CACHED + 100):
        Jid.parse(f"u{number}@example.com")
    Jid.parse("a@example.com/" + "r" * module._LONGEST_CACHED)
    info = module._remembered.cache_info()
    assert info.currsize == module._CACHED
    assert Jid.parse(f"u{module._CACHED}@example.com") is Jid.parse(
        f"u{module._CACHED}@example.com"
    )
