"""`--source auto`: the first camera that opens, otherwise the demo face, which says why."""

from collections.abc import Callable, Sequence

from model.errors import SourceError
from realtime.sources import Source, SourceOptions
from realtime.sources.camera import Camera
from realtime.sources.camera_opening import list_cameras
from realtime.sources.demo_face import Demo


def open_auto(
    spec: str,
    options: SourceOptions,
    *,
    cameras: Sequence[str] | None = None,
    open_camera: Callable[[str, SourceOptions], Source] = Camera,
) -> Source:
    """Try `cameras` (default: all present) in order; without one, open the demo."""
    why = "no camera is connected"
    for position, camera in enumerate(list_cameras() if cameras is None else cameras):
        try:
            return open_camera(camera, options)
        except SourceError as error:
            # Users mean the first camera; some of the other devices may not be cameras.
            if position == 0:
                why = str(error)
    return Demo(spec, options, why=f" ({why})")
