"""Make the generated pages, check all pages, and build the site.

python3 dev docs            write what is stale, check, build into build/docs
python3 dev docs --check    change nothing; fail when a generated page is stale
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.checks import broken_links, orphans, undocumented
from docs.generate import PAGES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def stale() -> dict[str, str]:
    """Return the text of each generated page that is not what the code says."""
    made = {name: make() for name, make in PAGES.items()}
    return {name: text for name, text in made.items() if _read(DOCS / name) != text}


def _read(page: Path) -> str:
    return page.read_text("utf-8") if page.exists() else ""


def pages() -> list[Path]:
    """Return every page that people read, those at the top of the checkout first."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def problems() -> list[str]:
    """Return everything that is wrong with the pages as they are."""
    return [
        *broken_links(ROOT, pages()),
        *(f"{name}: is in mkdocs.yml or in docs/, not in both" for name in orphans(ROOT)),
        *undocumented(ROOT),
    ]


def build() -> int:
    """Build the site, where the builder is installed, and return its status."""
    builder = shutil.which("zensical", path=str(Path(sys.executable).parent))
    if builder is None:
        print("docs: zensical is not installed here; no site was built")
        return 0
    return subprocess.run([builder, "build", "--clean"], cwd=ROOT).returncode


def main(args: list[str]) -> int:
    """Return 0 when the pages are right (and, without --check, the site is built)."""
    is_check = "--check" in args
    found = stale()
    for name, text in found.items():
        if not is_check:
            (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / name).write_text(text, "utf-8")
        print(f"docs: {name} {'is stale: run `python3 dev docs`' if is_check else 'written'}")
    wrong = problems()
    for line in wrong:
        print(f"docs: {line}")
    if wrong or (is_check and found):
        return 1
    print(f"docs: {len(pages())} pages, all links lead somewhere, nothing undocumented")
    return 0 if is_check else build()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
