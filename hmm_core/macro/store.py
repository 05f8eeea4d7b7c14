"""A folder of arrays, each file of which is there whole or not at all, whatever interrupts its writing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Store:
    folder: Path

    def holds(self, name: str) -> bool:
        return self._file(name).is_file()

    def write(self, name: str, arrays: dict[str, Any]) -> None:
        """Replaces what was there when all is written: after kill -9 or on a full disk the older file stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / ".draft.npz"  # one name, so that a process that is killed leaves no more than one
        try:
            np.savez(draft, **arrays)
            draft.replace(self._file(name))
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> dict[str, Array]:
        """FileNotFoundError if it was never written, ValueError if it is not what was written."""
        if not self.holds(name):
            raise FileNotFoundError(
                f"the folder {str(self.folder)!r} holds no run: there is no {self._file(name).name} in it"
            )
        try:
            with self._file(name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (ValueError, EOFError, BadZipFile) as error:
            raise ValueError(f"{str(self._file(name))!r} is damaged, or no file of a run: {error}") from error

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
