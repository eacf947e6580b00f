"""`mmact-eval setup calvin`: from the network or a folder, whole or not at all; assets that are others are named."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import calvin_ready
import pytest
from click.testing import CliRunner

from mmact_eval import registry
from mmact_eval.commands.setup import command
from mmact_eval.envs.calvin import plugin
from mmact_eval.envs.calvin.assets import find_assets, own_folder
from mmact_eval.envs.calvin.checks.examine import examine
from mmact_eval.envs.calvin.install import download, published, setup
from mmact_eval.errors import UsageError

pytestmark = calvin_ready.needs_pybullet


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMACT_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALVIN_ASSETS", raising=False)
    monkeypatch.delenv("CALVIN_ENV_ROOT", raising=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As mees/calvin_env has it: a licence, and the assets in `data`."""
    source = calvin_ready.assets()
    if source is None:
        pytest.skip("needs CALVIN's assets")
    root = tmp_path / "calvin_env"
    for asset in published.assets():
        target = root / asset.in_repository
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / asset.path).read_bytes())
    return root


class _Server(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def base(checkout: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=str(checkout)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_list_is_that_of_119_files_and_two_licences() -> None:
    assert len(published.assets()) == 121
    assert sum(bool(asset.in_pybullet) for asset in published.assets()) == 22
    assert len(published.of_scene("D")) == 57
    data = published.pybullet_data()
    assert data is not None
    assert all(asset.is_at(data / asset.in_pybullet) for asset in published.assets() if asset.in_pybullet)


def test_what_pybullet_lacks_is_downloaded_and_again_nothing(base: str, checkout: Path) -> None:
    said: list[str] = []
    killed = own_folder().parent / ".calvin-assets-killed"
    (killed / "whole").mkdir(parents=True)
    os.utime(killed, (0, 0))
    setup.set_up(said.append, base)
    assert list(own_folder().parent.iterdir()) == [own_folder()]
    assert said[0].startswith("Downloading 99 files (5.0 MB)")
    assert not published.missing_or_other(find_assets(), published.assets())
    assert "Copyright (c) 2021 Oier Mees" in (own_folder() / "LICENSE").read_text()
    assert "Apache License" in (own_folder() / "franka_panda" / "LICENSE.txt").read_text()
    assert "797142c" in (own_folder() / "ORIGIN.txt").read_text()
    said.clear()
    setup.set_up(said.append, "http://127.0.0.1:9")
    assert said == [f"All assets are in {own_folder()}"]
    (own_folder() / "plane" / "plane.urdf").write_text("mine")
    setup.set_up_from(checkout, said.append)
    assert not published.missing_or_other(own_folder(), published.assets())


def test_a_download_that_breaks_leaves_nothing(
    base: str, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    mesh = checkout / "data" / "calvin_table_D" / "meshes" / "base_link.obj"
    mesh.write_bytes(mesh.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"base_link.obj \(100 bytes, not the \d+ that were published\): behind a"):
        setup.set_up(lambda line: None, base)
    mesh.unlink()
    with pytest.raises(UsageError, match=r"base_link.obj \(.*404.*--from PATH"):
        setup.set_up(lambda line: None, base)
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(UsageError, match=r"cannot download .*refused.*: behind a proxy set HTTPS_PROXY; without a"):
        setup.set_up(lambda line: None, "http://127.0.0.1:9")


@pytest.mark.parametrize("named", ["calvin_env", "calvin_env/data", "."], ids=["calvin_env", "assets", "calvin"])
def test_assets_come_from_a_checkout(checkout: Path, named: str) -> None:
    done = CliRunner().invoke(command, ["calvin", "--from", str(checkout.parent / named)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"121 files in {own_folder()}, each as published.")
    assert not published.missing_or_other(own_folder(), published.assets())


def test_a_checkout_with_other_files_is_refused_and_they_are_named(checkout: Path) -> None:
    data = checkout / "data"
    for name in ("red_big", "red_small", "red_middle", "blue_big"):
        (data / "blocks" / f"block_{name}.urdf").write_text("mine")
    (data / "franka_panda" / "meshes" / "visual" / "hand.obj").unlink()  # pybullet has that one
    with pytest.raises(UsageError, match=r"4 files \(blocks/block_blue_big.urdf, .*, …\) are missing in .* or not as"):
        setup.set_up_from(checkout, lambda line: None)
    assert not own_folder().exists()


def test_what_holds_no_assets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calvin_env").mkdir()
    with pytest.raises(UsageError, match="submodule calvin_env is empty: git submodule update"):
        setup.set_up_from(tmp_path, lambda line: None)
    with pytest.raises(UsageError, match="It should be a checkout of mees/calvin_env"):
        setup.set_up_from(tmp_path / "calvin_env", lambda line: None)


def test_other_environments_are_not_set_up_from_something() -> None:
    with pytest.raises(UsageError, match='"robotwin" is not set up from something: leave out --from'):
        registry.setup("robotwin", Path())
    with pytest.raises(UsageError, match='"toy" needs no set-up'):
        registry.setup("toy", Path())


def test_runs_refuse_changed_assets(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = calvin_ready.suite("calvin-abc-d")
    with pytest.raises(UsageError, match="`mmact-eval setup calvin` brings them"):
        plugin.prepare_run(suite, [], 1, print)
    monkeypatch.setenv("CALVIN_ENV_ROOT", str(checkout))
    facts = plugin.prepare_run(suite, [], 1, print)
    (checkout / "data" / "calvin_table_A" / "urdf" / "calvin_table_A.urdf").write_text("of another scene")
    published.require_published.cache_clear()
    assert plugin.prepare_run(suite, [], 1, print) == facts
    (checkout / "data" / "blocks" / "block_red_middle.urdf").write_text("mine")
    published.require_published.cache_clear()
    with pytest.raises(UsageError, match=r"1 file \(blocks/block_red_middle.urdf\) is missing or not as published"):
        plugin.prepare_run(suite, [], 1, print)
    (found,) = [check for check in examine() if check.name == "assets"]
    assert (found.status, found.todo) == ("fail", "mmact-eval setup calvin")
    monkeypatch.setenv("CALVIN_ASSETS", str(checkout / "nothing"))
    with pytest.raises(UsageError, match=r"^CALVIN_ASSETS: no assets of CALVIN in .*/nothing; "):
        plugin.prepare_run(suite, [], 1, print)
