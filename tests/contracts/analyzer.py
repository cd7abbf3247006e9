"""What every analyzer must keep. Subclass and write ``make``."""

from __future__ import annotations

import pickle

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid.types import Analyzer

_FRAGMENTS = [
    "The quick brown foxes'", "WH-1000XM5", "C++", "c#", ".NET", "3.5mm", "1,000", "Jane's", "u.s.a", "R&D",
    "jane.doe@example.com", "无线耳机降噪", "無線耳機", "iPhone15手机壳", "乾隆", "𠮷野家",
    "コンピュータ", "ﾃﾞｨｽｸ", "ภาษาไทย", "한국어", "\u1112\u1161\u11ab", "देवनागरी", "مرحبا", "שָׁלוֹם",
    "Привет", "cafe\u0301", "ﬁ", "㎏", "6½", "10²", "İ", "ß", "👨‍👩‍👧", "🇨🇳", "👍🏽",
    "\u200d", "\ufe0f", "\u00ad", "\u0301", "\ud800", "\udc00", "\0", "\u0085", "\x1c", "\u3000",
    " ", "\n", "-", "'", ".", "_", "#", "+",
]  # fmt: skip

TEXTS = st.text(st.characters()) | st.lists(
    st.sampled_from(_FRAGMENTS) | st.text(st.characters(), max_size=2)
).map("".join)

any_text = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)


class AnalyzerContract:
    def make(self) -> Analyzer:
        """A fresh analyzer, equal to any other that this makes."""
        raise NotImplementedError

    @any_text
    @given(TEXTS)
    def test_terms_are_those_of_spans(self, text: str) -> None:
        analyzer = self.make()
        assert analyzer.terms(text) == [term for term, _, _ in analyzer.spans(text)]

    @any_text
    @given(TEXTS)
    def test_a_term_is_one_short_word_of_valid_unicode(self, text: str) -> None:
        for term in self.make().terms(text):
            assert term.split() == [term]  # every space of Python's, a superset of Unicode's
            assert 0 < len(term.encode("utf-8")) <= 255  # raises on a surrogate

    @any_text
    @given(TEXTS)
    def test_spans_lie_in_the_text_and_ascend(self, text: str) -> None:
        spans = self.make().spans(text)
        assert all(0 <= start < end <= len(text) for _, start, end in spans)
        assert [start for _, start, _ in spans] == sorted(start for _, start, _ in spans)

    @any_text
    @given(TEXTS, TEXTS)
    def test_lines_are_analysed_one_by_one(self, first: str, second: str) -> None:
        analyzer, shift = self.make(), len(first) + 2
        alone = [(term, start + shift, end + shift) for term, start, end in analyzer.spans(second)]
        assert analyzer.spans(f"{first}\n\n{second}") == analyzer.spans(first) + alone

    @any_text
    @given(TEXTS)
    def test_equal_analyzers_give_equal_terms(self, text: str) -> None:
        analyzer = self.make()
        copy = pickle.loads(pickle.dumps(analyzer))
        assert copy == analyzer == self.make()
        assert hash(copy) == hash(analyzer)
        assert copy.id == analyzer.id
        assert copy.spans(text) == analyzer.spans(text) == analyzer.spans(text)

    def test_a_term_never_grows_past_255_bytes(self) -> None:
        for letter in ("a", "é", "ж", "語", "𝔸", "ก", "𠮷"):
            assert all(len(term.encode()) <= 255 for term in self.make().terms(letter * 3000))

    def test_text_without_words_has_no_terms(self) -> None:
        for text in ("", " ", "\0\0", "。，！", "\ud800", "\u200d\ufe0f", "... --- '''", "\u0301"):
            assert self.make().terms(text) == []
