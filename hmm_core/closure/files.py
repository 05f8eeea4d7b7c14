"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike, *suffixes: str) -> Iterator[Path]:
    """Where to write a draft. It becomes the file at ``path`` at the end of the block; until then, and after an error, an older
    file stays.

    Raises ValueError for another suffix, IsADirectoryError for a folder, FileNotFoundError if there is none to write to.
    """
    path = Path(path)
    if path.suffix not in suffixes:
        *others, last = suffixes
        raise ValueError(f"path={str(path)!r} must end in {', '.join(others) + ' or ' if others else ''}{last}")
    if path.is_dir():
        raise IsADirectoryError(f"path={str(path)!r} is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path={str(path)!r}: there is no folder {str(path.parent)!r} to write to")
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        draft.replace(path)
