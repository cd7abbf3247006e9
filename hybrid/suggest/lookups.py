"""What is looked up in a vocabulary; each part is made when it is first used."""

from __future__ import annotations

from functools import cached_property

from hybrid.suggest.completions import Completions
from hybrid.suggest.homophones import Homophones
from hybrid.suggest.spelling import Spelling
from hybrid.suggest.vocabulary import Vocabulary


class Lookups:
    """Spellings, homophones and completions among the words of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    @cached_property
    def spelling(self) -> Spelling:
        return Spelling(self.vocabulary)

    @cached_property
    def homophones(self) -> Homophones:
        return Homophones(self.vocabulary)

    @cached_property
    def completions(self) -> Completions:
        return Completions(self.vocabulary)

    def prepare(self, before: Lookups) -> None:
        """Make what was used of the lookups ``before``."""
        for name in vars(before).keys() - {"vocabulary"}:
            getattr(self, name)
