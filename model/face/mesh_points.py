"""Points of the face mesh that a network may be taught to find."""

_PAIRS = (
    *((70, 300), (63, 293), (105, 334), (66, 296), (107, 336)),  # brows
    *((33, 263), (160, 387), (158, 385), (133, 362), (153, 380), (144, 373)),  # eyes
    *((118, 347), (50, 280), (206, 426), (187, 411)),  # cheeks
    *((129, 358), (98, 327)),  # nose
    *((61, 291), (39, 269), (37, 267), (181, 405), (84, 314)),  # lips
    *((127, 356), (234, 454), (132, 361), (136, 365), (150, 379), (43, 273)),  # outline, chin
)  # the person's right (image left), then left
_MIDDLE = (168, 6, 197, 195, 4, 2, 0, 13, 14, 17, 199, 152)

TAUGHT_POINTS = (*(right for right, _ in _PAIRS), *(left for _, left in _PAIRS), *_MIDDLE)
"""68 FaceMesh points all over the face."""
MIRRORED = tuple(
    TAUGHT_POINTS.index(point)
    for point in (*(left for _, left in _PAIRS), *(right for right, _ in _PAIRS), *_MIDDLE)
)
"""For each of `TAUGHT_POINTS` the index of the one that takes its place in the mirrored face."""
EYES = (TAUGHT_POINTS.index(33), TAUGHT_POINTS.index(263))
"""The indices of both eyes' outer corners."""
