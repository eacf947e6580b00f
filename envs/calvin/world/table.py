"""CALVIN's table: a sliding door, a drawer, a button with its LED, a switch with its lamp."""

from __future__ import annotations

from pathlib import Path

from mmact_eval.envs.calvin.world.bullet import Bullet
from mmact_eval.envs.calvin.world.scenes import SCALE

JOINTS = ("slide", "drawer", "button", "switch")
"""In the order of the scene vector."""

_MOTOR_FORCE = 4
_WHITE = (1.0, 1.0, 1.0, 1.0)


class Light:
    """A link of the table that changes its colour."""

    def __init__(self, bullet: Bullet, body: int, link: int, color: tuple[float, float, float, float]) -> None:
        self._bullet, self._body, self._link, self._color = bullet, body, link, color
        self.set(False)

    def set(self, on: bool) -> None:
        """Switch it."""
        self.on = on
        self._bullet.changeVisualShape(self._body, self._link, rgbaColor=self._color if on else _WHITE)


class Table:
    """The table with its joints and lights. `step` is what happens in it after each control step.

    Attributes:
        body: its number in the simulation.
        links: link number → name, -1 for the base.
        lamp, led: the lights.
    """

    def __init__(self, bullet: Bullet, assets: Path, scene: str) -> None:
        """Load it; `scene` is the letter of the scene."""
        self._bullet = bullet
        name = f"calvin_table_{scene}"
        self.body: int = bullet.loadURDF(
            str(assets / name / "urdf" / f"{name}.urdf"), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), globalScaling=SCALE
        )
        infos = [bullet.getJointInfo(self.body, joint) for joint in range(bullet.getNumJoints(self.body))]
        self.links = {-1: bullet.getBodyInfo(self.body)[0].decode(), **{i[0]: i[12].decode() for i in infos}}
        by_name = {info[1].decode().removeprefix("base__"): info for info in infos}
        self._joints = {name: by_name[name][0] for name in JOINTS}
        # A button or switch is on beyond the middle of its way.
        self._threshold = {name: (by_name[name][8] + by_name[name][9]) / 2 for name in ("button", "switch")}
        for joint in ("slide", "drawer", "button", "switch"):
            self._brake(joint)
        numbers = {name: number for number, name in self.links.items()}
        self.lamp = Light(bullet, self.body, numbers["light_link"], (1.0, 1.0, 0.0, 1.0))
        self.led = Light(bullet, self.body, numbers["led_link"], (0.0, 1.0, 0.0, 1.0))
        self._switched = False
        self._was_pressed = False

    def reset(self, joints: tuple[float, float, float, float], lamp: bool, led: bool) -> None:
        """Set everything. Whether the button was pressed at the last step is not forgotten, as upstream.

        Args:
            joints: in the order of `JOINTS`, m.
            lamp, led: whether they burn.
        """
        slide, drawer, button, switch = joints
        self._set("slide", slide)
        self._set("drawer", drawer)
        self.lamp.set(lamp)
        self.led.set(led)
        self._set("button", button)
        self._set("switch", switch)
        self._switched = False  # so that a burning lamp is switched on once more at the first step

    def step(self) -> None:
        """The button switches the LED each time it goes down, the lamp follows the switch."""
        pressed = self.joint("button") > self._threshold["button"]
        if pressed and not self._was_pressed:
            self.led.set(not self.led.on)
        self._was_pressed = pressed
        switched = self.joint("switch") > self._threshold["switch"]
        if switched != self._switched:
            self._switched = switched
            self.lamp.set(switched)

    def joint(self, name: str) -> float:
        """Where a joint is, m (the switch: rad)."""
        position: float = self._bullet.getJointState(self.body, self._joints[name])[0]
        return position

    def observe(self) -> list[float]:
        """The joints, then lamp and LED as 0 or 1: the first six numbers of the scene vector."""
        return [*map(self.joint, JOINTS), float(self.lamp.on), float(self.led.on)]

    def _set(self, name: str, position: float) -> None:
        self._bullet.resetJointState(self.body, self._joints[name], position)

    def _brake(self, name: str) -> None:
        """A motor at rest is friction; the button's pushes it up again."""
        bullet = self._bullet
        if name == "button":
            bullet.setJointMotorControl2(
                self.body, self._joints[name], bullet.POSITION_CONTROL, targetPosition=0, force=_MOTOR_FORCE
            )
        else:
            bullet.setJointMotorControl2(self.body, self._joints[name], bullet.VELOCITY_CONTROL, force=_MOTOR_FORCE)
