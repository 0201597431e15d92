"""Hooks: the calls by which a watcher tells the rest of its process what happens."""

from __future__ import annotations

from switchboard.view.view import View


class Hooks:
    """One method per thing that can happen to a view. They do nothing here; a subclass overrides those that it needs.

    All but ``prepare`` must return at once, and none may raise.
    """

    async def prepare(self, view: View) -> None:
        """``view``, with a newly loaded snapshot, is about to be shown: time to render what will be asked for."""

    def swapped(self, view: View) -> None:
        """The snapshots of the view have changed: one was replaced or has expired."""

    def observed(self, view: View, now: float) -> None:
        """``view`` is shown now. Called after every poll, even if nothing has changed."""

    def loaded(self, source: str, seconds: float) -> None:
        """A snapshot of a source was loaded in ``seconds``."""

    def load_failed(self, source: str) -> None:
        """A snapshot of a source could not be loaded."""

    def pointer_refused(self, source: str) -> None:
        """The pointer of a source names an older snapshot than the one that is shown."""

    def poll_failed(self) -> None:
        """The store did not answer a poll."""

    def forgotten(self, source: str) -> None:
        """A source does not exist any more."""
