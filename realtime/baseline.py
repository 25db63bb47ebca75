"""What is usual for a face at rest: the least motion worth calling one, region by region."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model.errors import InputError
from realtime.motion import REGIONS


@dataclass(frozen=True, slots=True)
class Baseline:
    """The noise floor of one face before one camera."""

    floor_px: Mapping[str, float]
    """Per region of `realtime.motion.REGIONS`: the least threshold, crop px, however quiet the
    last seconds were. Above it the spotter measures the noise itself."""

    def __post_init__(self) -> None:
        missing = [name for name in REGIONS if not self.floor_px.get(name, 0.0) > 0]
        if missing:
            raise InputError(f"a baseline needs a floor above 0 px for each region, not {missing}")

    @staticmethod
    def default() -> "Baseline":
        """For an unmeasured face and camera."""
        floor = dict.fromkeys(REGIONS, _USUAL_FLOOR_PX) | _OTHER_FLOORS_PX
        return Baseline(MappingProxyType(floor))


_USUAL_FLOOR_PX = 0.25
_OTHER_FLOORS_PX: dict[str, float] = {}
