"""Numbered passages for a chatbot to answer from, within a budget of tokens, and a check of the citations
in its answer."""

from hybrid.context.citations import Citations, Claim, check_citations
from hybrid.context.gathering import gathered
from hybrid.context.plan import Order, Plan
from hybrid.context.records import Context, NumberedPassage
from hybrid.context.tokens import Count, counter, estimate

__all__ = [
    "Citations",
    "Claim",
    "Context",
    "Count",
    "NumberedPassage",
    "Order",
    "Plan",
    "check_citations",
    "counter",
    "estimate",
    "gathered",
]
