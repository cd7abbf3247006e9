"""Past queries from a log of clicks: what a user clicked, as far as the clicks of all users confirm it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from hybrid.learn.clicks.judgments import Judgments, query_id
from hybrid.ledger.impressions import Impression
from hybrid.ledger.past import PastQuery
from hybrid.limits import MAX_PAST_ANSWERS, MAX_QUERY
from hybrid.texts import clean


def clicked_queries(log: Iterable[Impression], found: Judgments) -> Iterator[PastQuery]:
    """Yield what users asked and clicked: of the documents that a user clicked for a query those that the
    judgments ``found`` of the same log grade above 0, which is corrected for the ranks they were shown at.
    ``time`` is that of the last click."""
    clicked: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    last: dict[tuple[str, str], float] = {}
    for one in log:
        grades = found.qrels.get(id := query_id(one.query), {})
        good = {document: grades[document] for document in one.clicked if grades.get(document, 0) > 0}
        if good:
            key = id, clean(one.user)
            clicked[key].update(good)
            last[key] = max(last.get(key, 0.0), one.time)
    for (id, user), answers in clicked.items():
        text = clean(found.queries[id])
        if len(text) <= MAX_QUERY and len(answers) <= MAX_PAST_ANSWERS:
            yield PastQuery(text, answers, "clicked", user, last[id, user])
