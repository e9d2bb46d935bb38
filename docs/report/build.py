"""Sets the report. With --pages FOLDER it also writes a picture of each page, to look at."""

import sys
from pathlib import Path

import typst

HERE = Path(__file__).resolve().parent
# The compiler's own fonts, and no date: the same sources give the same file everywhere.
FONTS = typst.Fonts(include_system_fonts=False)


def build(output: Path, **options) -> None:
    typst.compile(
        HERE / "report.typ", output=output, root=HERE.parent.parent, font_paths=FONTS, **options
    )


build(HERE / "report.pdf")
if sys.argv[1:2] == ["--pages"]:
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    build(folder / "page-{0p}.png", format="png", ppi=100)
