"""The keyword projection: terms of documents and queries, and BM25 over tantivy's inverted index. A writer
fills it from the ledger; readers open what the writer has published.

Imports the disk.
"""
