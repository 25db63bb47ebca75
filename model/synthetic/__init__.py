"""Faces that move in known ways: displacement fields of FACS action units, an animated portrait,
and footage with its truth. For the demo, tests and training."""

from model.synthetic.action_units import displacement_field
from model.synthetic.animated_face import FaceNuisance, SyntheticFace
from model.synthetic.event_schedule import Schedule, TrueExpression

__all__ = ["FaceNuisance", "Schedule", "SyntheticFace", "TrueExpression", "displacement_field"]
