"""Who may ask for what: tokens, other sites, paths, files outside, and what reports link."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="pip install 'mmact-eval[view]'")

from asked_app import Answer, ask

from mmact_eval.config.suite_file import load_suite
from mmact_eval.results.report_data import Report
from mmact_eval.runs.runner import RunRequest, execute
from mmact_eval.view import reports
from mmact_eval.view.app import make_app
from mmact_eval.view.catalogue import Catalogue, identity
from mmact_eval.view.guard import Guard

HOSTS = ("localhost", "127.0.0.1", "[::1]")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    suite = load_suite("toy", ["protocol.replan=4"])
    for policy in ("toy", "random"):
        execute(RunRequest(suite, policy, episodes=2, out=folder / policy, video="all", progress=False))
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def app_of(runs: Path, token: str = "") -> Guard:
    catalogue = Catalogue([runs])
    catalogue.look()
    return make_app(catalogue, token, () if token else HOSTS)


def opened(app: Guard, query: str) -> Answer:
    """A report, through the redirection to its address, which is put among the headers."""
    moved = ask(app, f"/report?{query}")
    assert moved.status == 303, moved.text
    answer = ask(app, moved.headers["location"])
    answer.headers["address"] = moved.headers["location"]
    return answer


def test_the_page_and_what_it_needs(runs: Path) -> None:
    app = app_of(runs)
    for path, kind in {"/": "text/html", "/view.js": "text/javascript", "/view.css": "text/css"}.items():
        answer = ask(app, path)
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    changes = json.loads(ask(app, "/api/changes").text)
    assert {item["name"] for item in changes["items"].values()} == {"toy", "random"}
    assert json.loads(ask(app, f"/api/changes?since={changes['version']}").text)["items"] == {}
    assert ask(app, "/", method="HEAD").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_only_shows(runs: Path, method: str) -> None:
    assert ask(app_of(runs), "/api/changes", method=method).status == 405


def test_other_names_of_this_machine_are_refused(runs: Path) -> None:
    app = app_of(runs)
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8900", "[::1]:8900"):
        assert ask(app, "/", host=host).status == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8900", "", "localhost@evil.example"):
        assert ask(app, "/", host=host).status == 421


def test_other_pages_are_told_nothing(runs: Path) -> None:
    app = app_of(runs)
    answer = ask(app, "/api/changes", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert answer.status == 403
    assert ask(app, "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status == 200
    own = ask(app, "/api/changes", sec_fetch_site="same-origin", sec_fetch_mode="cors")
    assert own.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_token_is_asked_for_once(runs: Path) -> None:
    app = app_of(runs, token="right-one")
    for address in ("/", "/api/changes", "/view.js", "/?token=", "/?token=wrong", "/?token=right-one%00", "/?token=é"):
        assert ask(app, address).status == 403
    entered = ask(app, "/?token=right-one")
    assert (entered.status, entered.headers["location"]) == (303, "./")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    known = cookie.partition(";")[0]
    assert ask(app, "/api/changes", cookie=known).status == 200
    assert ask(app, "/", cookie="mmact_view=wrong").status == 403
    assert ask(app, "/", cookie="mmact_view=right-on").status == 403
    assert ask(app, "/", cookie=";;=,\x01 odd").status == 403
    assert ask(app, "//evil.example/?token=right-one").headers["location"] == "/"


def test_a_report_and_its_videos(runs: Path) -> None:
    app = app_of(runs)
    run = identity(runs / "toy")
    page = opened(app, f"run={run}")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert re.search(r"script-src 'sha256-[\w+/]+='", policy)
    folder = page.headers["address"].rpartition("/")[0]
    names = re.findall(r'"src":"([0-9a-f]{20}\.mp4)"', page.text)
    assert len(names) == 4
    video = next((runs / "toy" / "videos").rglob("*.mp4"))
    whole = ask(app, f"{folder}/{names[0]}", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert (whole.status, whole.headers["content-type"]) == (200, "video/mp4")
    assert len(whole.content) > 100
    part = ask(app, f"{folder}/{names[0]}", range="bytes=10-19")
    assert (part.status, part.content) == (206, whole.content[10:20])
    assert ask(app, f"{folder}/{names[0]}", range="bytes=999999999-").status == 416
    assert video.stat().st_size > 0


def test_a_report_is_kept_until_its_files_change(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Report] = []
    before = reports.linked

    def noted(report: Report, link: Callable[[Path], str | None]) -> str:
        made.append(report)
        return before(report, link)

    monkeypatch.setattr(reports, "linked", noted)
    app = app_of(runs)
    run = f"run={identity(runs / 'toy')}"
    opened(app, run)
    opened(app, run)
    assert len(made) == 1
    with open(runs / "toy" / "sessions.jsonl", "a") as stream:
        stream.write("\n")
    opened(app, run)
    assert len(made) == 2


def test_runs_are_compared_and_what_cannot_be_says_why(runs: Path) -> None:
    app = app_of(runs)
    first, second = identity(runs / "toy"), identity(runs / "random")
    both = opened(app, f"run={second}&run={first}")
    assert both.status == 200
    assert "against random" in both.text
    assert ask(app, f"/report?run={first}&run={first}").status == 400
    assert ask(app, "/report?" + "&".join(f"run={k:012x}" for k in range(9))).status == 400
    assert opened(app, "run=0123456789ab").status == 404
    assert opened(app, "study=0123456789ab").status == 404
    (runs / "toy" / "manifest.json").write_text("<script>alert(1)</script>")
    broken = opened(app, f"run={first}")
    assert broken.status == 409
    assert "is not" in broken.text or "damaged" in broken.text or "no JSON" in broken.text


def test_addresses_of_reports_cannot_be_made_up(runs: Path) -> None:
    app = app_of(runs)
    page = opened(app, f"run={identity(runs / 'toy')}")
    proof, name = page.headers["address"].split("/")[2:4]
    other = f"r-{identity(runs / 'random')}"
    wrong = [
        f"/open/{proof}/{other}/report.html", f"/open/{'0' * 32}/{name}/report.html", f"/open/{proof}/{name}/",
        f"/open/{proof}/{name}/manifest.json", f"/open/{proof}/{name}/../../../etc/passwd",
        f"/open/{proof}/{name}/%2e%2e%2fepisodes.jsonl", f"/open/{proof}/{name}/{'0' * 20}.mp4",
        f"/open/é/{name}/report.html", "/report?run=../../etc", "/report?run=%00", "/report?study=a/b", "/report",
        "/page/index.html", "/../../etc/passwd", "/view.py",
    ]  # fmt: skip
    for address in wrong:
        assert ask(app, address).status in (303, 404), address
        assert b"root:" not in ask(app, address).content
        assert ask(app, address).headers.get("location", "/open").startswith("/open")


def test_files_outside_and_files_that_are_no_media_are_never_served(runs: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret" * 100)
    videos = sorted((runs / "toy" / "videos").rglob("*.mp4"))
    videos[0].unlink()
    videos[0].symlink_to(secret)
    lines = [json.loads(line) for line in (runs / "toy" / "episodes.jsonl").read_text().splitlines()]
    lines[1]["artifacts"] = {"video": "../../secret.mp4", "plan": "/etc/passwd"}
    lines[2]["artifacts"] = {"video": "evil.svg", "image": "evil.html", "other": "evil.svg"}
    for name in ("evil.svg", "evil.html"):
        (runs / "toy" / name).write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (runs / "toy" / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    app = app_of(runs)
    page = opened(app, f"run={identity(runs / 'toy')}")
    assert page.status == 200
    names = re.findall(r'"src":"([^"]+)"', page.text)
    assert len(names) == 1, names
    folder = page.headers["address"].rpartition("/")[0]
    assert ask(app, f"{folder}/{names[0]}").status == 200
    kept = next(video for video in videos[1:] if video.exists() and not video.is_symlink() and video.name)
    for video in videos[1:]:  # and one that becomes a link only after the page was made
        video.unlink(missing_ok=True)
        video.symlink_to(secret)
    assert ask(app, f"{folder}/{names[0]}").status == 404
    kept.unlink()
    os.mkfifo(kept)
    assert ask(app, f"{folder}/{names[0]}").status == 404
