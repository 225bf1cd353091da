"""Files that results are written to: never a torn line, in a batch or alone."""

from __future__ import annotations

from holdfast.outputs.csv_file import Csv
from holdfast.outputs.json_lines import JsonLines

__all__ = ["Csv", "JsonLines"]
