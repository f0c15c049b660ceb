"""SIPp as one end of a call (RFC 3261), told what to do line by line.

SIPp is others' code, and sends and judges every message; what a scenario says is ours, and is made
into SIPp's XML here, since all of its messages have the same dozen headers:

    < INVITE               comes, and only that; the call fails otherwise
    < 180?                 may come
    < 100 within 200       must come within so many milliseconds
      Supported: 100rel    and this header has that (a regular expression)
      body: a=sendonly     and so does its body
      keep rseq RSeq: .*   what matches is [$rseq] from now on
    > 180 tag=b            a response to the first INVITE, to tag, by default, a
    > 491 invite=2         a response to the second
    > 200 last             a response to what came last
    > BYE                  a request in the dialog, or the first INVITE, with these headers:
      Session-Expires: 90
      sdp                  and with a description: `sdp sendonly`, `sdp events` with RFC 4733
      line m=image 5 udptl t38     and one more line of it
      says text/plain hello|you    or with another body, of these lines
    > INVITE again         the same once more
    pause 500              milliseconds
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from tests.peers.hosts import Program, run, wait_until

DOMAIN: Final = "udp.sipp.example"
"""Its SIP record leads to port 5070 of the host carol."""
CALLEE: Final = 5070
CALLER: Final = 5170
SECONDS: Final = 40
SDP: Final = """
v=0
o=sipp 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP {formats}
a=rtpmap:0 PCMU/8000
a={direction}
"""
EVENTS: Final = ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"]
MESSAGE: Final = re.compile(
    r"-{20,} ([\d-]+) ([\d:.]+)\nUDP message (received|sent)[^\n]*\n\n(.*?)(?=-{20,}|\Z)", re.DOTALL
)
SAVED: Final = {
    "via": ("Via:", ".*"),
    "from": ("From:", ".*"),
    "to": ("To:", ".*"),
    "cseq": ("CSeq:", ".*"),
    "target": ("Contact:", "sip:[^>]*"),
}
"""What is kept of each INVITE that came, by its number: `last_` is of what came last."""


def _quoted(text: str) -> str:
    """Quote an attribute: SIPp knows no single quotes."""
    return '"' + escape(text, {'"': "&quot;"}) + '"'


@dataclass(slots=True)
class _Line:
    """One step: what it is, and what more is said of it."""

    text: str
    more: list[str] = field(default_factory=list)


def _lines(scenario: str) -> list[_Line]:
    found: list[_Line] = []
    for each in scenario.splitlines():
        if each.strip().startswith(("<", ">", "pause")):
            found.append(_Line(each.strip()))
        elif each.strip():
            found[-1].more.append(each.strip())
    return found


class Scenario:
    """The XML of a scenario in which SIPp calls `to`, or is called where there is none."""

    def __init__(self, scenario: str, to: str = "") -> None:
        """Make it."""
        self.to = to
        self._version = 0
        self._cseq = 0
        self._invite = 0
        self._answered = False
        """Whether our last INVITE met a 2xx, whose ACK is a transaction of its own."""
        self._checks = 0
        self._met = 0
        """How many INVITEs have come."""
        self._known: list[str] = []
        steps = "\n".join(self._step(line) for line in _lines(scenario))
        known = f"<Reference variables={_quoted(','.join(self._known))}/>" if self._known else ""
        self.xml = f'<?xml version="1.0"?>\n<scenario name="call">\n{steps}\n{known}\n</scenario>\n'

    def _step(self, line: _Line) -> str:
        way, *words = line.text.split()
        if way == "pause":
            return f"<pause milliseconds={_quoted(words[0])}/>"
        return self._receive(words, line.more) if way == "<" else self._send(words, line.more)

    # -- what comes --------------------------------------------------------------------

    def _receive(self, words: list[str], more: list[str]) -> str:
        what, optional = words[0].rstrip("?"), words[0].endswith("?")
        kind = "response" if what.isdigit() else "request"
        attributes = f"{kind}={_quoted(what)}" + (' optional="true"' if optional else "")
        if "within" in words:
            attributes += f" timeout={_quoted(words[-1])}"
        actions = [self._learn(each) for each in more]
        if what == "INVITE":
            self._met += 1
            actions += [self._keep(f"{name}{self._met}", how) for name, how in SAVED.items()]
        if kind == "response" and int(what) >= 200:
            self._answered = int(what) < 300
        if kind == "response" and not optional and int(what) > 100 and "peer" not in self._known:
            actions.append(self._keep("peer", ("To:", ".*")))
        return f"<recv {attributes}>\n<action>{''.join(actions)}</action>\n</recv>"

    def _learn(self, text: str) -> str:
        if not text.startswith("keep "):
            return self._check(text)
        _, variable, header = text.split(" ", 2)
        name, _, pattern = header.partition(" ")
        return self._keep(variable, (name, pattern))

    def _check(self, text: str) -> str:
        name, _, wanted = text.partition(": ")
        self._checks += 1
        variable = f"check{self._checks}"
        self._known.append(variable)
        where = 'search_in="body"' if name == "body" else f'search_in="hdr" header="{name}:"'
        wanted = _quoted(wanted)
        return f'<ereg regexp={wanted} {where} check_it="true" assign_to="{variable}"/>'

    def _keep(self, variable: str, header: tuple[str, str]) -> str:
        name, pattern = header
        self._known.append(variable)
        return (
            f'<ereg regexp={_quoted(pattern)} search_in="hdr" header="{name}" check_it="true"'
            f' assign_to="{variable}"/>'
        )

    # -- what goes ---------------------------------------------------------------------

    def _send(self, words: list[str], more: list[str]) -> str:
        head = self._response(words) if words[0].isdigit() else self._request(words)
        body: list[str] = []
        for each in more:
            what, *said = each.split(" ", 2)
            if what == "sdp":
                self._version += "again" not in words
                body += self._description("".join(said))
                head.append("Content-Type: application/sdp")
            elif what == "line":
                body.append(" ".join(said))
            elif what == "says":
                body += said[1].split("|")
                head.append(f"Content-Type: {said[0]}")
            else:
                head.append(each)
        lines = [*head, "Content-Length: [len]", "", *body]
        return "<send><![CDATA[\n\n" + "\n".join(lines) + "\n\n]]></send>"

    def _description(self, said: str) -> list[str]:
        events = said == "events"
        direction = "sendrecv" if events or not said else said
        formats = "0 101" if events else "0"
        body = SDP.format(version=self._version, direction=direction, formats=formats)
        return [*body.strip().splitlines(), *(EVENTS if events else ())]

    def _response(self, words: list[str]) -> list[str]:
        status, *options = words
        contact = "Contact: <sip:sipp@[local_ip]:[local_port]>"
        if "last" in options:
            same = ("Via", "From", "To", "Call-ID", "CSeq")
            return [f"SIP/2.0 {status} Said", *(f"[last_{each}:]" for each in same), contact]
        said = dict(each.split("=") for each in options)
        number, tag = said.get("invite", "1"), f";tag=[pid]{said.get('tag', 'a')}"
        return [
            f"SIP/2.0 {status} Said",
            f"Via: [$via{number}]",
            f"From: [$from{number}]",
            f"To: [$to{number}]{tag if number == '1' else ''}",
            "Call-ID: [call_id]",
            f"CSeq: [$cseq{number}]",
            contact,
        ]

    def _request(self, words: list[str]) -> list[str]:
        method, *options = words
        if method not in {"ACK", "CANCEL"} and "again" not in options:
            self._cseq += 1
        if method == "INVITE":
            self._invite = self._cseq
        number = self._invite if method in {"ACK", "CANCEL"} else self._cseq
        apart = "ack" if method == "ACK" and self._answered else ""
        ours, theirs = f"<sip:sipp@{DOMAIN}>;tag=[pid]a", f"<sip:{self.to}>"
        target = f"sip:{self.to}"
        if not self.to:
            ours, theirs, target = "[$to1];tag=[pid]a", "[$from1]", "[$target1]"
        elif "peer" in self._known and method != "CANCEL":
            theirs = "[$peer]"
        return [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK[pid]n{number}{apart}",
            "Max-Forwards: 70",
            f"From: {ours}",
            f"To: {theirs}",
            "Call-ID: [call_id]",
            f"CSeq: {number} {method}",
            "Contact: <sip:sipp@[local_ip]:[local_port]>",
        ]


@dataclass(frozen=True, slots=True)
class Message:
    """What SIPp's log has of a message; `at` is in seconds."""

    at: float
    came: bool
    text: str


class Sipp(Program):
    """SIPp with a scenario, on the host carol: it calls `to`, or listens for `calls` calls."""

    def __init__(self, folder: Path, scenario: str, to: str = "", calls: int = 1) -> None:
        """Start it; its files are in `folder`."""
        file, self._log = folder / "scenario.xml", folder / "messages"
        self._errors = folder / "errors"
        file.write_text(Scenario(scenario, to).xml)
        port = CALLER if to else CALLEE
        words = ["sipp", *(["gw.lab.example:5060"] if to else []), "-sf", file, "-nostdin"]
        words += ["-i", "198.51.100.50", "-p", port, "-m", calls, "-timeout", SECONDS]
        words += ["-trace_msg", "-message_file", self._log]
        words += ["-trace_err", "-error_file", self._errors]
        super().__init__("carol", *map(str, words))
        listening = ("ss", "-Hlun", f"sport = :{port}")
        if not to:
            wait_until(lambda: run("carol", *listening) or None, 10, self.said)

    def sees(self, pattern: str) -> None:
        """Wait until something has come, or gone."""
        wait_until(
            lambda: (self._log.exists() and re.search(pattern, self.seen())) or None,
            SECONDS,
            lambda: f"{pattern!r} is not in:\n{self.said()[-2000:]}",
        )

    def seen(self) -> str:
        """Return what has come and gone by now."""
        return self._log.read_text(errors="replace").replace("\r", "")

    def succeeds(self) -> str:
        """Wait until all has happened as the scenario has it; return what came and went."""
        status = self.wait(SECONDS)
        log = self.seen() if self._log.exists() else ""
        errors = self._errors.read_text(errors="replace") if self._errors.exists() else ""
        assert status == 0, f"{errors[-3000:] or self.said()[-2000:]}\n{log[-5000:]}"
        return log

    @staticmethod
    def messages(log: str) -> Iterator[Message]:
        """Yield what came and went, in order, of what `succeeds` returned."""
        for day, time, way, text in MESSAGE.findall(log):
            at = datetime.fromisoformat(f"{day} {time}").timestamp()
            yield Message(at, came=way == "received", text=text)
