"""A disk that can be full: a file system of its own in memory, where one may be mounted."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

_MB = 600


class SmallDisk:
    """A directory on a small file system. `can_be_full` is false where mounting is forbidden;
    then it is an ordinary directory, and `fill` must not be called."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._filler = directory / "filler"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_MB}m,mode=700", "tmpfs", str(directory)]
        try:
            done = subprocess.run(mount, capture_output=True)
        except OSError:
            self.can_be_full = False
        else:
            self.can_be_full = done.returncode == 0

    def fill(self) -> None:
        """Take all the space that is left."""
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        try:
            for size in (1 << 20, 4096):
                self._extend(file, size)
        finally:
            os.close(file)

    def empty(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the file system away."""
        if self.can_be_full:
            subprocess.run(["umount", "--lazy", str(self._directory)], check=True)

    def _extend(self, file: int, size: int) -> None:
        while True:
            try:
                os.posix_fallocate(file, os.fstat(file).st_size, size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return
