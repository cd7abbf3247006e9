"""What a chatbot is given to answer from: numbered passages within a budget of tokens, and whether what it
then says cites them."""

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
