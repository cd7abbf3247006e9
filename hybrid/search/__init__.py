"""A query on its way out: checked, answered by the legs, fused, reranked, explained.

Imports the store, the projections, the intake's checks, fusion, rerank and the encoders.
"""
