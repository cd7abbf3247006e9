"""Filters, and the metadata of all documents as columns to answer them.

Imports the ledger and the disk.
"""
