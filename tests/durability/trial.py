"""An index that meets faults: whatever fails must fail with an error of ours, leave the batch whole or
absent, and go on in the same Index when the fault is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hybrid import Index
from hybrid.disk import cache
from hybrid.errors import StorageError
from hybrid.vector import leg, view
from tests.durability.history import History
from tests.durability.reader import state_of


def early_graph(set: Callable[[object, str, int], None] = setattr) -> None:
    """A graph over some dozens of rows instead of some thousand; as few documents are worth keeping."""
    set(leg, "SEAL_AT", 40)
    set(cache, "KEEP_AT", 40)
    set(view, "EXACT_ROWS", 50)


class Trial:
    """An index under a history. ``done`` is the last state that was acknowledged."""

    def __init__(self, path: Path, history: History | None = None) -> None:
        self.path, self.history = path, history or History(documents=60)
        self.index = Index.create(path, encoder=None, analyzer="english")
        self.done = 0
        self.met: Counter[str] = Counter()
        """What failed: the first words of each error."""
        for _ in range(self.history.filled):
            assert self.step()

    def step(self) -> bool:
        """The next step of the history; False if it failed."""
        if self.attempt(lambda: self.history.apply(self.index, self.done + 1)):
            self.done += 1
            return True
        return False

    def attempt(self, action: Callable[[], object]) -> bool:
        """Whether ``action`` went through. Any error but ours ends the test."""
        try:
            action()
        except StorageError as error:
            self.met[str(error).removeprefix(str(self.path))] += 1
            return False
        return True

    def state(self) -> int:
        """The state that the index is in: the acknowledged one, or that of the step in flight."""
        return state_of(self.index, self.history, range(self.done, self.done + 2))

    def mend(self) -> None:
        """The fault is gone: nothing is torn, this Index works, and the step can be done again."""
        self.state()
        assert self.step(), self.met
        self.at_rest(self.index)

    def at_rest(self, index: Index) -> None:
        """``index`` is in the acknowledged state and no other."""
        state_of(index, self.history, range(self.done, self.done + 1))

    def check(self) -> None:
        """The index is sound, for this handle, for a reader and for the next writer."""
        assert self.index.verify() == []
        self.at_rest(self.index)
        with Index.open(self.path, read_only=True) as reader:
            self.at_rest(reader)
        self.reopen()
        assert self.index.verify() == []
        self.at_rest(self.index)

    def reopen(self) -> None:
        self.index.close()
        self.index = Index.open(self.path)
