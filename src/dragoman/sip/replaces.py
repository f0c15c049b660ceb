"""The dialog that a new one takes the place of: the header Replaces (RFC 3891)."""

import re
from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, find_param, is_token, parse_params

OPTION: Final = "replaces"
"""What is required of whoever is to heed it (§6.2)."""
LONGEST: Final = 512
_CALL_ID: Final = re.compile(r"[!-~]+")


@final
@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog by its names, as the one who is asked to give it up sees it (§6.1)."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False
    """Whether it may be taken over only before it is answered."""

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Read the header's value; raises SipError(400) for none."""
        call_id, semicolon, rest = text[: LONGEST + 1].partition(";")
        call_id = call_id.strip(BLANK)
        if len(text) > LONGEST or not _CALL_ID.fullmatch(call_id) or "," in call_id:
            raise SipError(f"not a Replaces: {text[:40]!r}")
        params = parse_params(semicolon + rest)
        to_tag, from_tag = (find_param(params, name) or "" for name in _ONCE[:2])
        names = [name for name, _ in params]
        if not (is_token(to_tag) and is_token(from_tag)) or any(
            names.count(each) > 1 for each in _ONCE
        ):
            raise SipError(f"a Replaces without its two tags: {text[:40]!r}")
        return cls(call_id, to_tag, from_tag, "early-only" in names)

    def __str__(self) -> str:
        """Return the header's value."""
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


_ONCE: Final = ("to-tag", "from-tag", "early-only")
