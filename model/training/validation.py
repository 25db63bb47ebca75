"""What is looked at after each epoch."""

from torch import nn

from model.inference.predictions import answers
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.metrics.recognition import confusion, mean_average_precision, uf1


def validation_scores(network: nn.Module, samples: SampleSet, device: str) -> dict[str, float]:
    """UF1 from first phases alone and from what is known of the samples, over those with an
    expression; mean average precision of the action units."""
    named = samples.labels != NO_EXPRESSION
    figures = {}
    for name, first_alone in (("uf1_first_phase", True), ("uf1", False)):
        said = answers(network, samples, first_phase_only=first_alone, device=device)
        classes = said.logits[named].argmax(axis=1)
        figures[name] = uf1(confusion(samples.labels[named], classes, len(samples.classes)))
    figures["action_unit_map"] = mean_average_precision(samples.action_units, said.action_units)
    return figures
