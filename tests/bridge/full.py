"""A store of subscriptions that may have no room."""

from dragoman.store.subscriptions import Full, Memory, Record


class Broken(Memory):
    """A store that may have no room."""

    full = False

    def keep(self, record: Record) -> None:
        if self.full:
            raise Full("no room")
        super().keep(record)
