"""The data directory: one `up` at a time, secrets for its owner only, versions that fit."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from deploy.data_dir import DataDirectory
from deploy.errors import Unusable
from deploy.local.locking import is_locked, locked


def _hold(path: Path, holds: object, release: object) -> None:
    with DataDirectory(path).held():
        holds.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_it_is_held_by_one_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    holds, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, holds, release))
    other.start()
    assert holds.wait(30)
    directory = DataDirectory(tmp_path)
    assert directory.is_held()
    sentence = rf"^Another `up` \(process {other.pid}\) is running on {tmp_path}\.$"
    with pytest.raises(Unusable, match=sentence), directory.held():
        pass
    other.kill()
    other.join()
    other.close()
    assert not directory.is_held()
    with directory.held():
        assert directory.is_held()


def test_a_lock_is_let_go_when_its_block_fails(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), locked(file):
        raise ZeroDivisionError
    assert not is_locked(file)


def test_it_is_made_for_its_owner_only(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "new" / "data")
    assert not directory.is_made
    with directory.held():
        assert directory.is_made
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("in the way")
    sentence = rf"^The data directory {tmp_path}/{path} cannot be written: .*\.$"
    with pytest.raises(Unusable, match=sentence), DataDirectory(tmp_path / path).held():
        pass


def test_another_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text("99\n")
    with (
        pytest.raises(Unusable, match=r"incompatible version \(layout 99"),
        DataDirectory(tmp_path).held(),
    ):
        pass
    assert (tmp_path / "layout").read_text() == "99\n"


def test_secrets_are_made_once_for_the_owner_only(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    names = ("jwt_secret", "privacy_key", "clickhouse_password")
    first = [getattr(directory, name)() for name in names]
    assert [getattr(directory, name)() for name in names] == first
    assert len(set(first)) == 3
    assert first[0].startswith("development-")
    assert all(len(text) >= 64 for text in first)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
