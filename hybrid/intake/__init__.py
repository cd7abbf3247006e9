"""A document on its way in: checked, cut into windows, encoded.

Imports the encoders and the ledger's rows.
"""
