"""Other indexes under the contract of `hybrid.Index`: so far one in memory, written to be read.

Imports the intake, search, the terms of the lexical leg, fusion, rerank, the analyzers and the encoders.
"""
