"""Fuzz target: a challenge (RFC 7616) is answered so that it reads alike, or is refused."""

from dragoman.sip.auth import Asked, Count, authorization, parse_challenges, strongest
from dragoman.sip.failure import SipError
from dragoman.sip.verifier import Claim, Verdict, Verifier

SEEDS = (
    (
        b'Digest realm="a \\"b\\", c", qop="auth, auth-int", algorithm=SHA-512-256, nonce="7y/x==",'
        b' opaque="FQ", stale=true, userhash=true, Digest realm="r", nonce=n, algorithm=MD5-sess'
    ),
    b'Basic realm="b", Digest realm="r", nonce="n"',
    (
        b'Digest username="u", realm="r", nonce="1.t.0", uri="sip:a", response="0", qop=auth,'
        b' nc=0000000f, cnonce="c", algorithm=MD5'
    ),
)
ASKED = Asked("MESSAGE", "sip:romeo@example.net", b"hi")
VERIFIER = Verifier("r", b"secret", lambda: "t")


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "replace").replace("\r", "").replace("\n", "")
    judged(text)
    try:
        chosen = strongest(parse_challenges([text]))
    except SipError:
        return
    if chosen is not None:
        claim = Claim.parse(authorization(chosen, "u", "p", ASKED, Count("c", 15)))
        assert (claim.realm, claim.nonce) == (chosen.realm, chosen.nonce)


def judged(text: str) -> None:
    """Check that no claim proves a password that nobody was asked for."""
    try:
        claim = Claim.parse(text)
    except SipError:
        return
    assert VERIFIER.check(claim, ASKED, "p", 0.0) is not Verdict.GOOD


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
