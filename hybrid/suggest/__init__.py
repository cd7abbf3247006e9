"""The words that documents hold as they are written, never stems: misspelt queries are compared with them,
and what is being typed is completed from them.

Imports the analyzers, limits and types.
"""
