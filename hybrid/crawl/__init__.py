"""Files and folders, and an index kept in step with them: new files are added, changed ones replaced, and
the documents of those that are gone removed where that is asked for."""

from __future__ import annotations

from hybrid.crawl.crawler import Crawler, Prune, check_readers
from hybrid.crawl.report import Report

__all__ = ["Crawler", "Prune", "Report", "check_readers"]
