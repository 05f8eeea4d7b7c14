"""Files that are there whole or not at all, whatever interrupts their writing: a full disk, Ctrl-C."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A place to write a draft to. At the end of the block it takes the place of ``path``; after an error nothing does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        draft = Path(folder) / path.name  # writers look at the ending of the name
        yield draft
        draft.replace(path)
