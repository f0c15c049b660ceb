"""Sessions of a scripted phone (RFC 3261 §13 to §15): it invites, and is invited."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dragoman.testing.phone import Phone, Reply, Sent
from dragoman.testing.siptext import SipText, parameter

SDP: Final = "application/sdp"


@dataclass(slots=True)
class Call:
    """One session as the phone sees it, whoever began it: `local` and `remote` have their tags."""

    phone: Phone
    local: str
    remote: str
    call_id: str
    target: str
    contact: str
    number: int = 0
    body: bytes = b""
    """The description that the other side sent last."""
    status: int | None = None
    """What our INVITE was answered."""
    transport: str = "UDP"

    def request(self, method: str, body: bytes = b"", *more: tuple[str, str]) -> SipText:
        """Return a request of the session, without its Via."""
        if method not in {"ACK", "CANCEL"}:
            self.number += 1
        headers = [
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.number} {method}"),
            ("Contact", self.contact),
            *more,
        ]
        if body:
            headers.append(("Content-Type", SDP))
        return SipText(f"{method} {self.target} SIP/2.0", tuple(headers), body)

    async def send(self, method: str, body: bytes = b"", *more: tuple[str, str]) -> Sent:
        """Send a request of the session; return it once it has its final answer."""
        sent = await self.phone.request(self.request(method, body, *more), transport=self.transport)
        if method == "INVITE":
            self.learn(sent)
            if self.status is not None and self.status // 100 == 2:
                await self.phone.tell(self.request("ACK"), transport=self.transport)
        return sent

    def learn(self, sent: Sent) -> None:
        """Take what the answer to an INVITE says: who the other side is, where, and its body."""
        self.status = sent.status
        final = next((each for each in sent.responses if each.status >= 200), None)
        if final is not None and final.status // 100 == 2:
            self.remote, self.body = final.get("To") or "", final.body
            self.target = _uri(final.get("Contact") or "")

    async def bye(self) -> int | None:
        """End the session; return the status."""
        return (await self.send("BYE")).status


async def call(
    phone: Phone,
    sender: str,
    to: str,
    offer: bytes,
    *more: tuple[str, str],
    transport: str = "UDP",
    device: str = "",
    call_id: str = "",
) -> Call:
    """Invite `to`, a URI, with this offer, and acknowledge; `device` is the gr of the Contact."""
    found = Call(
        phone,
        f"<{sender}>;tag={secrets.token_hex(8)}",
        f"<{to}>",
        call_id or secrets.token_hex(8),
        to,
        contact_of(phone, sender, device),
        transport=transport,
    )
    await found.send("INVITE", offer, *more)
    return found


def contact_of(phone: Phone, user: str, device: str = "") -> str:
    """Return the Contact of a phone for a user's URI."""
    host, port = phone.address
    name = user.partition(":")[2].partition("@")[0]
    return f"<sip:{name}@{host}:{port}{f';gr={device}' if device else ''}>"


@dataclass(slots=True)
class Answering:
    """How a phone answers INVITEs: 200 with `answers` in turn, the last of them for ever.

    A number among them refuses with that status; None leaves it unanswered, but for a 180.
    """

    phone: Phone
    answers: Sequence[bytes | int | None]
    device: str = ""
    features: str = ""
    """Parameters of its Contact (RFC 3840), with their semicolons."""
    calls: list[Call] = field(default_factory=list)
    byes: asyncio.Queue[SipText] = field(default_factory=asyncio.Queue)
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Have the phone ask this from now on."""
        self.phone.core.sessions = self.reply

    def reply(self, request: SipText) -> Reply | None:
        """Return what a request is answered."""
        if request.method == "INVITE":
            return self._invited(request)
        if request.method == "BYE":
            self.byes.put_nowait(request)
        return None if request.method == "ACK" else Reply(200)

    def _invited(self, request: SipText) -> Reply | None:
        answer = self.answers[0] if len(self.answers) == 1 else self.answers[len(self.calls) :][0]
        tag = f";tag=t{parameter(request.get('Via') or '', 'branch')}"
        to = request.get("To") or ""
        local = to if parameter(to, "tag") else to + tag
        user = _uri(to)
        contact = contact_of(self.phone, user, self.device) + self.features
        found = Call(
            self.phone,
            local,
            request.get("From") or "",
            request.get("Call-ID") or "",
            _uri(request.get("Contact") or ""),
            contact,
            body=request.body,
        )
        self.calls.append(found)
        if answer is None:
            return Reply(180, "Ringing", (("Contact", contact),))
        if isinstance(answer, int):
            return Reply(answer)
        return Reply(
            200, "OK", (("Contact", contact), ("Content-Type", SDP), *self.headers), body=answer
        )


def _uri(address: str) -> str:
    return address.partition("<")[2].partition(">")[0] or address.partition(";")[0]
