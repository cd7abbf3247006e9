"""Impressions and clicks to judgments, corrected for position."""
