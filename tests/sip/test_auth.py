"""Digest: the standards' own examples, which challenge is answered, and hostile ones."""

import pytest

from dragoman.sip.auth import (
    MAX_CHALLENGES,
    Asked,
    Challenge,
    Count,
    authorization,
    digest,
    parse_challenges,
    strongest,
)
from dragoman.sip.failure import SipError
from dragoman.sip.verifier import Claim

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={},'
    ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int",'
    ' nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def answer(challenge: Challenge, asked: Asked, cnonce: str, *, user: str, password: str) -> str:
    return digest(challenge, challenge.secret(user, password, cnonce), asked, Count(cnonce))


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    [challenge] = parse_challenges([RFC_7616.format(algorithm)])
    asked = Asked("GET", "/dir/index.html")
    found = answer(challenge, asked, CNONCE, user="Mufasa", password="Circle of Life")  # noqa: S106
    assert found == response


@pytest.mark.spec("NET-28")
def test_the_example_of_rfc_2617() -> None:
    [challenge] = parse_challenges([RFC_2617])
    asked = Asked("GET", "/dir/index.html")
    written = authorization(challenge, "Mufasa", "Circle Of Life", asked, Count("0a4f113b"))
    assert Claim.parse(written) == Claim(
        "Mufasa",
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "/dir/index.html",
        "6629fae49393a05397450978507c4ef1",
        qop="auth",
        cnonce="0a4f113b",
        number=1,
    )
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in written
    assert "qop=auth, nc=00000001" in written
    assert "algorithm" not in written, "none was named"


def test_without_qop_the_response_is_that_of_rfc_2069() -> None:
    """The erratum's value for the example of RFC 2069 §2.4."""
    [challenge] = parse_challenges(
        ['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"']
    )
    asked = Asked("GET", "/dir/index.html")
    written = authorization(challenge, "Mufasa", "CircleOfLife", asked, Count("c"))
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in written
    assert "cnonce" not in written
    assert "nc=" not in written


def test_auth_int_covers_the_body_when_it_alone_is_offered() -> None:
    both, alone = (
        Challenge("r", "n", "SHA-256", qops) for qops in (("auth-int", "auth"), ("auth-int",))
    )
    assert (both.qop, alone.qop) == ("auth", "auth-int")
    found = {
        (challenge.qop, body): digest(challenge, "s", Asked("MESSAGE", "sip:a", body), Count("c"))
        for challenge in (both, alone)
        for body in (b"one", b"two")
    }
    assert found["auth", b"one"] == found["auth", b"two"]
    assert found["auth-int", b"one"] != found["auth-int", b"two"]


def test_a_session_mixes_the_nonces_into_the_secret() -> None:
    plain, session = Challenge("r", "n", "MD5"), Challenge("r", "n", "MD5-SESS")
    assert session.usable
    assert session.secret("u", "p", "c") == plain.hash(f"{plain.secret('u', 'p', 'c')}:n:c")
    written = authorization(session, "u", "p", Asked("MESSAGE", "sip:a"), Count("c"))
    assert "algorithm=MD5-sess" in written
    assert 'cnonce="c"' in written


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize(
    ("algorithms", "chosen"),
    [
        (["MD5", "SHA-256", "SHA-512-256"], "SHA-512-256"),
        (["MD5", "SHA-256"], "SHA-256"),
        (["SHA-1024", "MD5"], "MD5"),
        (["MD5-sess", "MD5"], "MD5-SESS"),
        (["md5", "sha-256"], "SHA-256"),
        (["AKAv1-MD5"], None),
    ],
)
def test_the_strongest_algorithm_that_we_have_is_chosen(
    algorithms: list[str], chosen: str | None
) -> None:
    found = strongest(parse_challenges([RFC_7616.format(each) for each in algorithms]))
    assert (found.algorithm if found else None) == chosen


def test_a_quality_of_protection_that_we_lack_is_not_answered() -> None:
    assert strongest(parse_challenges(['Digest realm="r", nonce="n", qop="auth-conf"'])) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('DIGEST realm="r",nonce="n"', [Challenge("r", "n")]),
        (
            r'Digest realm="a \"b\", \\c", nonce="n,=", stale=TRUE, opaque=""',
            [Challenge(r'a "b", \c', "n,=", opaque="", stale=True)],
        ),
        (
            'Digest realm="r", nonce="n", x-new="7", domain="sip:a sip:b", stale=FALSE',
            [Challenge("r", "n")],
        ),
        (
            'Basic realm="b", Digest realm="r", nonce="n", NTLM x=y, Digest realm=s, nonce=m==',
            [Challenge("r", "n"), Challenge("s", "m==")],
        ),
        (
            'Digest realm="r", nonce="n", qop="AUTH,,auth-int"',
            [Challenge("r", "n", "", ("auth", "auth-int"))],
        ),
    ],
)
def test_a_challenge_is_read(line: str, found: list[Challenge]) -> None:
    assert parse_challenges([line]) == found


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce=""',
        'Digest realm="r", nonce="n", realm="s"',
        'Digest realm="r", nonce="n',
        'Digest realm="r", nonce="n", stale',
        'realm="r", nonce="n"',
        'Digest realm="r", n\u00f6nce="n"',
    ],
)
def test_what_is_no_challenge_is_refused(line: str) -> None:
    with pytest.raises(SipError):
        parse_challenges([line])


def test_the_number_of_challenges_is_bounded() -> None:
    line = ", ".join(['Digest realm="r", nonce="n"'] * 100)
    assert len(parse_challenges([line, line])) == MAX_CHALLENGES


def test_whatever_a_server_names_is_quoted_again() -> None:
    [challenge] = parse_challenges([r'Digest realm="a\"b", nonce="\\", opaque="\""'])
    written = authorization(challenge, 'u"', "p", Asked("MESSAGE", "sip:a"), Count("c"))
    claim = Claim.parse(written)
    assert (claim.user, claim.realm, claim.nonce) == ('u"', 'a"b', "\\")
