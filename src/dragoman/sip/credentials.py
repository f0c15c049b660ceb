"""Our accounts at servers that challenge, and when they are shown (RFC 3261 §22.2, §22.3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from dragoman.sip.auth import Asked, Challenge, Count, authorization, parse_challenges, strongest
from dragoman.sip.failure import SipError
from dragoman.sip.header import CSeq
from dragoman.sip.message import Request, Response

ANSWERS: Final = {
    "WWW-Authenticate": "Authorization",
    "Proxy-Authenticate": "Proxy-Authorization",
}
"""Where a challenge stands, and where its answer does."""

CHALLENGED: Final = frozenset({401, 407})


@final
@dataclass(frozen=True, slots=True)
class Account:
    """A user and password for a realm, shown to nobody but the servers of one domain."""

    realm: str
    user: str
    password: str = field(repr=False)
    domain: str = ""
    """The host looked up for the request, or that of its Request-URI; empty: the realm."""

    def serves(self, realm: str, hosts: Sequence[str]) -> bool:
        """Tell whether a challenge for `realm` that came from `hosts` may be answered."""
        return realm == self.realm and _plain(self.domain or self.realm) in hosts


class Session:
    """The nonce an account was last challenged with, and how often it has been used (§22.2)."""

    __slots__ = ("challenge", "used")

    def __init__(self, challenge: Challenge) -> None:
        """Begin with a nonce that has not been used."""
        self.challenge = challenge
        self.used = 0


@dataclass(slots=True)
class Tries:
    """What one request has answered so far: header and realm, and how often."""

    answered: dict[tuple[str, str], int] = field(default_factory=dict)


class Keyring:
    """Every account, and for each the last nonce: no more of them than there are accounts."""

    def __init__(self, accounts: Sequence[Account], token: Callable[[], str]) -> None:
        """Answer for `accounts`; `token` makes the nonces that are ours."""
        self._accounts = tuple(accounts)
        self._token = token
        self._sessions: dict[tuple[str, Account], Session] = {}

    @property
    def warm(self) -> bool:
        """Whether any server has challenged us."""
        return bool(self._sessions)

    def sign(self, request: Request, domain: str) -> Request:
        """Return `request`, which goes to the servers of `domain`, with what they asked before.

        That is pre-emptive: whoever challenged once is answered before the next challenge.
        """
        hosts = _hosts(request, domain)
        headers = [each for each in request.headers if each[0] not in ANSWERS.values()]
        for (header, account), session in self._sessions.items():
            if account.serves(account.realm, hosts):
                headers.append((header, self._answer(account, session, request)))
        return Request(request.method, request.target, headers, request.body)

    def again(
        self, request: Request, response: Response, domain: str, tries: Tries
    ) -> Request | None:
        """Return `request` with an answer to the challenges of `response`, and the next CSeq.

        None where there is no account for any of them, or one was answered before: a second time
        only when the nonce was called stale. `tries` is what this request has answered.
        """
        hosts = _hosts(request, domain)
        fresh = False
        for header, challenges in _offers(response):
            account = self._account(challenges[0].realm, hosts)
            chosen = strongest(challenges)
            if account is None or chosen is None:
                continue
            key = (header, account.realm)
            count = tries.answered.get(key, 0)
            if count > 1 or (count and not chosen.stale):
                self._sessions.pop((header, account), None)
                return None
            tries.answered[key] = count + 1
            self._learn(header, account, chosen)
            fresh = True
        return self.sign(_renumbered(request), domain) if fresh else None

    def _account(self, realm: str, hosts: Sequence[str]) -> Account | None:
        return next((each for each in self._accounts if each.serves(realm, hosts)), None)

    def _learn(self, header: str, account: Account, challenge: Challenge) -> None:
        known = self._sessions.get((header, account))
        # The same nonce goes on being counted (RFC 7616 §3.4): a count that repeats is a replay.
        if known is None or known.challenge.nonce != challenge.nonce:
            self._sessions[header, account] = Session(challenge)

    def _answer(self, account: Account, session: Session, request: Request) -> str:
        session.used += 1
        count = Count(self._token(), session.used)
        asked = Asked(request.method, request.target, request.body)
        return authorization(session.challenge, account.user, account.password, asked, count)


def _offers(response: Response) -> list[tuple[str, list[Challenge]]]:
    """Return the challenges of a response by header of the answer and realm; none if unreadable.

    A proxy that forked may put those of several servers into one response, of either kind (§22.3).
    """
    found: dict[tuple[str, str], list[Challenge]] = {}
    for name, header in ANSWERS.items():
        try:
            challenges = parse_challenges(response.get_all(name))
        except SipError:
            return []
        for each in challenges:
            found.setdefault((header, each.realm), []).append(each)
    return [(header, challenges) for (header, _), challenges in found.items()]


def _renumbered(request: Request) -> Request:
    """Return the request with the next CSeq (§22.2); all else that names it stays."""
    cseq = str(CSeq(request.cseq.number + 1, request.method))
    headers = [(name, cseq if name == "CSeq" else value) for name, value in request.headers]
    return Request(request.method, request.target, headers, request.body)


def _hosts(request: Request, domain: str) -> Sequence[str]:
    try:
        return (_plain(domain), _plain(request.uri.host))
    except SipError:
        return (_plain(domain),)


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
