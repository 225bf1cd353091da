"""How a script is loaded: from its text, as `python FILE` does it."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from types import CodeType


class ScriptLoader(SourceFileLoader):
    """Loads a script, and never what was compiled of it before.

    Python knows compiled code by the size of the text and the second in which it was written. So
    a script that is edited and resumed at once (`sed -i 's/3/4/'`) would run as it was before.
    """

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled text of the script, as it is now."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code
