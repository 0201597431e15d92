"""What a watcher tells the rest of its process."""

from __future__ import annotations

from switchboard.view.view import View


class Hooks:
    """What happens to a view, as calls. They do nothing here; whoever wants to know overrides some of them.

    All but ``prepare`` must return at once, and none may raise.
    """

    async def prepare(self, view: View) -> None:
        """A new snapshot is loaded, and ``view`` is what will be shown: the time to render what will be asked for."""

    def swapped(self, view: View) -> None:
        """The snapshots of the view have changed: one was replaced or has expired."""

    def observed(self, view: View, now: float) -> None:
        """This view is shown now. Called after every poll, also if nothing has changed."""

    def loaded(self, source: str, seconds: float) -> None:
        """A snapshot of a source was loaded, which took so long."""

    def load_failed(self, source: str) -> None:
        """A snapshot of a source could not be loaded."""

    def pointer_refused(self, source: str) -> None:
        """The pointer of a source names an older snapshot than the one that is shown."""

    def poll_failed(self) -> None:
        """The store did not answer a poll."""

    def forgotten(self, source: str) -> None:
        """A source does not exist any more."""
