"""Faces that move in known ways: FACS action units as displacement fields, an animated portrait,
footage with its truth. They serve as demo source, test bed and training data."""

from model.synthetic.action_units import displacement_field
from model.synthetic.face import FaceNuisance, SyntheticFace
from model.synthetic.schedule import Schedule, TrueExpression

__all__ = ["FaceNuisance", "Schedule", "SyntheticFace", "TrueExpression", "displacement_field"]
