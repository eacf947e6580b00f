"""Reads a data set with the lerobot library and prints what it has seen, as JSON; run by test_lerobot_reader.py.

It may run in an environment of its own: nothing of mmact-eval is imported. A torchvision whose compiled operators do
not load (one built for CUDA beside a torch for the CPU) refuses to be imported; reading needs none of them, so their
names are declared, which lets the import pass. Nothing of lerobot is replaced.
"""

import json
import re
import sys


def import_torchvision() -> None:
    """Import torchvision, declaring operators that it misses."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    while True:
        try:
            import torchvision  # noqa: F401

            return
        except RuntimeError as error:
            missing = re.search(r"torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]


def main(root: str) -> None:
    """Load the data set in `root` and look at every frame."""
    import_torchvision()
    from importlib.metadata import version

    import torch
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    data = LeRobotDataset("local", root=root)
    items = [data[index] for index in range(len(data))]
    cameras = data.meta.camera_keys
    windows = LeRobotDataset("local", root=root, delta_timestamps={"action": [k / data.fps for k in range(4)]})
    batch = next(iter(torch.utils.data.DataLoader(windows, batch_size=4)))
    seen = {
        "version": version("lerobot"),
        "episodes": data.num_episodes,
        "frames": data.num_frames,
        "fps": data.fps,
        "cameras": cameras,
        "image_shape": list(items[0][cameras[0]].shape),
        "brightness": [[float(item[camera].mean()) for camera in cameras] for item in items],
        "state": [item["observation.state"].tolist() for item in items],
        "action": [item["action"].tolist() for item in items],
        "index": [int(item["index"]) for item in items],
        "tasks": [item["task"] for item in items],
        "subtasks": [item.get("subtask", "") for item in items],
        "done": [bool(item["next.done"]) for item in items],
        "windows": list(batch["action"].shape),
        "stats": {key: sorted(value) for key, value in data.meta.stats.items()},
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
