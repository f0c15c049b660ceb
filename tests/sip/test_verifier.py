"""Digest as a server: who proves the password, stale nonces, replays."""

from itertools import count

import pytest

from dragoman.sip.auth import Asked, Count, authorization, parse_challenges, strongest
from dragoman.sip.failure import SipError
from dragoman.sip.verifier import Claim, Verdict, Verifier

ASKED = Asked("MESSAGE", "sip:romeo@example.net")
PASSWORD = "wherefore"  # noqa: S105


def verifier(limit: int = 10, secret: bytes = b"secret") -> Verifier:
    numbers = count(1)
    return Verifier("example.net", secret, lambda: f"t{next(numbers)}", limit=limit)


def claim(
    lines: list[str],
    number: int = 1,
    *,
    password: str = PASSWORD,
    asked: Asked = ASKED,
) -> Claim:
    """Return what a client makes of our challenges."""
    challenge = strongest(parse_challenges(lines))
    assert challenge is not None
    return Claim.parse(authorization(challenge, "romeo", password, asked, Count("c", number)))


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_who_knows_the_password_is_believed(algorithm: str) -> None:
    server = verifier()
    lines = [each for each in server.challenges(0.0) if f"algorithm={algorithm}" in each]
    assert server.check(claim(lines), ASKED, PASSWORD, 1.0) is Verdict.GOOD


@pytest.mark.spec("NET-28")
def test_who_does_not_know_it_is_not() -> None:
    server = verifier()
    lines = server.challenges(0.0)
    assert server.check(claim(lines, password="guess"), ASKED, PASSWORD, 1.0) is Verdict.WRONG  # noqa: S106
    elsewhere = Asked("MESSAGE", "sip:juliet@example.net")
    assert server.check(claim(lines), elsewhere, PASSWORD, 1.0) is Verdict.WRONG
    other = Asked("INVITE", ASKED.uri)
    assert server.check(claim(lines, asked=other), ASKED, PASSWORD, 1.0) is Verdict.WRONG


@pytest.mark.spec("NET-28")
@pytest.mark.parametrize(("when", "verdict"), [(299.0, Verdict.GOOD), (301.0, Verdict.STALE)])
def test_a_nonce_grows_stale(when: float, verdict: Verdict) -> None:
    server = verifier()
    assert server.check(claim(server.challenges(0.0)), ASKED, PASSWORD, when) is verdict
    assert all("stale=true" in each for each in server.challenges(when, stale=True))


def test_a_nonce_of_another_secret_is_stale() -> None:
    lines = verifier(secret=b"before the restart").challenges(0.0)
    assert verifier().check(claim(lines), ASKED, PASSWORD, 1.0) is Verdict.STALE


@pytest.mark.spec("NET-28")
def test_a_count_serves_once() -> None:
    server = verifier()
    lines = server.challenges(0.0)
    found = [server.check(claim(lines, n), ASKED, PASSWORD, 1.0) for n in (1, 2, 2, 1, 3)]
    assert found == [
        Verdict.GOOD,
        Verdict.GOOD,
        Verdict.STALE,
        Verdict.STALE,
        Verdict.GOOD,
    ]


def test_a_stranger_cannot_use_up_a_nonce() -> None:
    server = verifier()
    lines = server.challenges(0.0)
    server.check(claim(lines, 99, password="guess"), ASKED, PASSWORD, 1.0)  # noqa: S106
    assert server.check(claim(lines, 1), ASKED, PASSWORD, 1.0) is Verdict.GOOD


def test_without_a_count_a_nonce_serves_once() -> None:
    server = verifier()
    lines = [each.replace(', qop="auth"', "") for each in server.challenges(0.0)]
    found = [server.check(claim(lines), ASKED, PASSWORD, 1.0) for _ in range(2)]
    assert found == [Verdict.GOOD, Verdict.STALE]


def test_what_is_remembered_of_nonces_is_bounded_and_forgets_no_replay() -> None:
    server = verifier(limit=2)
    claims = [claim(server.challenges(float(n))) for n in range(3)]
    for each in claims:
        assert server.check(each, ASKED, PASSWORD, 10.0) is Verdict.GOOD
    assert len(server._counts) == 2
    assert [server.check(each, ASKED, PASSWORD, 10.0) for each in claims] == [Verdict.STALE] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic dTpw",
        'Digest username="u"',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", nc=1x',
        'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", nc=000000001',
        'Digest username="u", username="v"',
        'Digest username="u',
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(SipError):
        Claim.parse(text)


@pytest.mark.parametrize("nonce", ["", ".", "x", "é.é", "1.t1.", "-1.t.0"])
def test_a_nonce_of_any_kind_is_stale_at_most(nonce: str) -> None:
    server = verifier()
    lines = [f'Digest realm="example.net", qop="auth", nonce="{nonce or " "}"']
    assert server.check(claim(lines), ASKED, PASSWORD, 1.0) is Verdict.STALE
