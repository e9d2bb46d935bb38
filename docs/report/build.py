"""Typesets the report.

--pages FOLDER       also writes a picture of each page, for review
--input KEY=VALUE    overrides about.toml: authors, course, date, repository
"""

import argparse
from pathlib import Path

import typst

HERE = Path(__file__).resolve().parent
# The compiler's own fonts, and no date: the same sources give the same file everywhere.
FONTS = typst.Fonts(include_system_fonts=False)


def pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in ("authors", "course", "date", "repository"):
        raise argparse.ArgumentTypeError(
            f"{text}: give authors=, course=, date= or repository=, and the value"
        )
    return key, value


parser = argparse.ArgumentParser(prog="cargo xtask report")
parser.add_argument("--pages", type=Path, metavar="FOLDER")
parser.add_argument("--input", type=pair, action="append", default=[], metavar="KEY=VALUE")
arguments = parser.parse_args()


def build(output: Path, **options) -> None:
    typst.compile(
        HERE / "report.typ",
        output=output,
        root=HERE.parent.parent,
        font_paths=FONTS,
        sys_inputs=dict(arguments.input),
        **options,
    )


build(HERE / "report.pdf")
if arguments.pages:
    arguments.pages.mkdir(parents=True, exist_ok=True)
    build(arguments.pages / "page-{0p}.png", format="png", ppi=100)
