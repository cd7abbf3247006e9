"""What commits leave to the lexical leg to do: it follows in their order, many of them at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hybrid.ledger.rows import Rows
from hybrid.lexical.terms import Terms
from hybrid.lexical.writer import LexicalLeg


@dataclass(frozen=True)
class Debt:
    """The work that one commit leaves, and the state of the ledger that it made."""

    first: int
    terms: list[Terms]
    deaths: list[int]
    seq: int
    count: int
    rows: Rows


class Owed:
    """Debts from the oldest on. One thread adds while another pays; whoever pays is alone in that."""

    def __init__(self, leg: LexicalLeg) -> None:
        self._leg = leg
        self._debts: deque[Debt] = deque()
        self._written = 0  # number of debts already handed to the writer; their terms are no longer here

    def __bool__(self) -> bool:
        return bool(self._debts)

    @property
    def documents(self) -> int:
        """How many have their terms here."""
        return sum(len(debt.terms) for debt in list(self._debts))

    def add(self, debt: Debt) -> None:
        self._debts.append(debt)

    def write(self) -> Debt | None:
        """Hand over to the leg what it does not have, without a commit; returns the last debt so far."""
        for debt in list(self._debts)[self._written :]:
            self._leg.write(debt.first, debt.terms, debt.deaths)
            self._written += 1
            debt.terms.clear()
        return self._debts[self._written - 1] if self._written else None

    def settle(self) -> None:
        """Strike off what was handed over."""
        for _ in range(self._written):
            self._debts.popleft()
        self._written = 0

    def forget(self) -> None:
        """Whatever is owed will be worked out from the ledger."""
        self._leg.forget()
        self._debts.clear()
        self._written = 0
