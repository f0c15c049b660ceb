"""Whose fault it is: ours (a bug on this side) or the peer's (answer it and carry on)."""


class ProtocolError(Exception):
    """A rule of a protocol was broken; `reason` says which, for people."""

    def __init__(self, reason: str) -> None:
        """Keep `reason`: one sentence, no line breaks, no secrets."""
        super().__init__(reason)
        self.reason = reason


class LocalError(ProtocolError):
    """We asked for something illegal: a bug on this side."""


class RemoteError(ProtocolError):
    """The peer did: answer with the standard's own code, log one line, carry on."""
