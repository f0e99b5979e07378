"""The table as it is printed, and the page of the manual that is made from it."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

from trifid.core.vm.table import ROWS

GOLDEN = Path(__file__).parent / "table.txt"
ROOT = Path(__file__).parents[3]


def docs_make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whoever_changes_the_table_shows_the_rows_that_changed() -> None:
    printed = docs_make().printed_table()
    if os.environ.get("TRIFID_GOLDEN"):
        GOLDEN.write_text(printed)
    assert GOLDEN.read_text() == printed, "if this is wanted: TRIFID_GOLDEN=1 pytest, and have the diff read"


def test_the_page_of_the_manual_is_the_one_that_the_table_makes() -> None:
    make = docs_make()
    assert make.PAGE.read_text() == make.page(), "run: python docs/make.py"


def test_the_page_has_every_row_once() -> None:
    page = docs_make().page()
    assert sum(line.count("| request |") + line.count("| answer |") + line.count("| observation |")
               for line in page.splitlines()) == len(ROWS)  # fmt: skip


def test_the_check_tells_when_the_page_is_old(tmp_path, capsys) -> None:
    make = docs_make()
    make.PAGE = tmp_path / "lifecycle.md"
    assert make.main(["--check"]) == 1
    assert "run python docs/make.py" in capsys.readouterr().err
    assert make.main([]) == 0
    assert make.main(["--check"]) == 0
