"""Converts networks for other programs: exported graphs, half precision, ONNX."""

import copy
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from model.engine.forward import Arrays, Forward
from model.flow.gpu.cuda_graph import Function
from model.records import ArrayF32


def export_graph(network: nn.Module, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """`network` as a graph for inputs of this shape."""
    with torch.no_grad(), warnings.catch_warnings():
        # torch.export warns about its own internals.
        warnings.simplefilter("ignore")
        return torch.export.export(network.eval(), inputs)


def tensors(given: Arrays) -> tuple[Tensor, ...]:
    """`given` as PyTorch tensors that share its memory."""
    return tuple(map(torch.from_numpy, given))


def on_arrays(function: Function) -> Forward:
    """`function` for arrays; it takes and returns tensors on the CPU."""

    def forward(*given: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        classes, units = function(*map(torch.from_numpy, given))
        return classes.float().numpy(), units.float().numpy()

    return forward


def onnx_document(network: nn.Module, inputs: Arrays) -> bytes:
    """`network` as an ONNX model for inputs of this shape, weights included."""
    from onnxscript import optimizer

    given = tensors(inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of missing packages
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter's own optimiser treats 1e-9 as zero, so a face at rest would become 0 / 0.
        # But fold constants, because TensorRT cannot read computed axes.
        program = torch.onnx.export(
            export_graph(network, given), given, dynamo=True, verbose=False, optimize=False
        )
        assert program is not None  # it is None only when a file is written
        optimizer.fold_constants(program.model)
    _strip(program.model)
    document: bytes = program.model_proto.SerializeToString()
    return document


def _strip(model: Any) -> None:
    """Remove each operation's place in the source. It is half of the file, and full of paths of
    the machine that wrote it."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


def halve_precision(network: nn.Module) -> nn.Module:
    """A copy of `network` whose convolutions and linear layers compute in FP16, the rest in FP32.
    Normalisation divides by motions of hundredths of a pixel, which FP16 would round away."""
    halves = copy.deepcopy(network)
    _halve(halves)
    return halves


def _halve(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.Linear):
            setattr(module, name, _Half(child))
        else:
            _halve(child)


class _Half(nn.Module):
    """A layer that computes in FP16 and takes and returns FP32."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.half()

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x.half())
        return answer.float()
