"""Where the items of a batch come from: files, directories, databases, pages of an interface."""

from __future__ import annotations

from holdfast.sources.files import csv_rows, jsonl, lines
from holdfast.sources.folders import directory
from holdfast.sources.pages import paged
from holdfast.sources.tables import query

__all__ = ["csv_rows", "directory", "jsonl", "lines", "paged", "query"]
