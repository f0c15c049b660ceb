"""What is wrong with a session description, and what SIP says then (RFC 3261 §20.43, §21.4)."""

from typing import final

from dragoman.errors import RemoteError


@final
class SdpError(RemoteError):
    """The peer's description cannot be read (400), or be agreed to (488).

    `status` is what SIP answers with, 491 and 500 for an offer that comes while another is open;
    `warning` is the code of the Warning that goes with a 488 (RFC 3261 §20.43).
    """

    def __init__(self, reason: str, status: int = 400, warning: int = 399) -> None:
        """Keep `reason`, one sentence for people, `status` and `warning`, three digits each."""
        super().__init__(reason)
        self.status = status
        self.warning = warning
