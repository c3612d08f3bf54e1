"""The walk: every layer of a lowered hls4ml graph becomes ONNX operators, with the lowering's intervals as proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from trigforge import __version__
from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.export.builder import BATCH, IR_VERSION, OPSET, Builder, Dialect, Tensor, load_onnx
from trigforge.firmware.export.grids import Grid
from trigforge.firmware.export.rules import RULES
from trigforge.firmware.export.step import Result, Step
from trigforge.firmware.export.targets import Target
from trigforge.firmware.lowering import Lowering
from trigforge.firmware.lowering.layer import label, result_type
from trigforge.value import write_atomic


def write_model(
    dialect: Dialect, graph: Any, contract: InputContract, lowering: Lowering, path: Path, *, batch: int | str
) -> None:
    """Write the model that `make_model` gives."""
    model = make_model(dialect, graph, contract, lowering, batch)
    write_atomic(path, model.SerializeToString())


def make_model(dialect: Dialect, graph: Any, contract: InputContract, lowering: Lowering, batch: int | str) -> Any:
    """The `ModelProto` of a graph whose lowering for a contract is given."""
    builder = Builder(dialect, load_onnx())
    builder.names.update(graph.outputs)
    inputs, outputs = _walk(builder, graph, contract, lowering)
    for name, tensor in zip(graph.outputs, outputs, strict=True):
        builder.node("Identity", [tensor.name], name)
        builder.note(replace(tensor, name=name))
    onnx = builder.onnx
    values = [builder.infos.pop(name) for name in inputs]
    results = [builder.infos.pop(name) for name in graph.outputs]
    made = onnx.helper.make_graph(
        builder.nodes, contract.name, values, results, builder.initialisers, value_info=list(builder.infos.values())
    )
    domains = {node.domain for node in builder.nodes if node.domain}
    opsets = [onnx.helper.make_opsetid("", OPSET), *(onnx.helper.make_opsetid(domain, 1) for domain in sorted(domains))]
    model = onnx.helper.make_model(
        made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trigforge", producer_version=__version__
    )
    onnx.helper.set_model_props(model, _properties(contract, lowering))
    _set_batch(model, batch)
    onnx.checker.check_model(model)
    return model


def _walk(builder: Builder, graph: Any, contract: InputContract, lowering: Lowering) -> tuple[list[str], list[Tensor]]:
    """The names of the inputs and the output tensors, channels last."""
    tensors: dict[str, Tensor] = {}
    symbols: dict[str, Any] = {}
    inputs = dict(_inputs(builder, graph, contract))
    for node, layer in zip(graph.graph.values(), lowering.layers, strict=True):
        given = tuple(tensors[name] for name in node.inputs) if node.name not in inputs else ()
        step = Step(builder, node, given, tuple(symbols.get(name) for name in node.inputs), layer.widths)
        result = Result(inputs[node.name]) if node.name in inputs else _converted(step)
        tensor = _finished(step, result)
        known = replace(tensor, grid=Grid.of_symbols(layer.values))
        tensors.update(dict.fromkeys(node.outputs, builder.narrowed(known)))
        symbols.update(dict.fromkeys(node.outputs, layer.values))
    return list(inputs), [builder.stored(tensors[name], first=False) for name in graph.outputs]


def _inputs(builder: Builder, graph: Any, contract: InputContract) -> Iterator[tuple[str, Tensor]]:
    for name, variable in zip(graph.inputs, graph.get_input_variables(), strict=True):
        shape = tuple(int(n) for n in variable.shape)
        yield name, builder.input(name, Grid.of_type(contract.model_input, shape))


def _converted(step: Step) -> Result:
    rule = RULES.get(step.node.class_name)
    if rule is None:
        raise ExactnessError(f"{label(step.node)} cannot be exported; supported: {', '.join(sorted(RULES))}")
    return rule(step)


def _finished(step: Step, result: Result) -> Tensor:
    """The layer's values in its shape and its result type."""
    shape = tuple(int(n) for n in step.node.get_output_variable().shape)
    tensor = step.reshaped(result.tensor, shape)
    if result.final:
        return tensor
    return step.cast(tensor, Target.of_type(result_type(step.node), step.loss("result")))


def _properties(contract: InputContract, lowering: Lowering) -> dict[str, str]:
    """What the file says about itself."""
    return {
        "trigforge.contract_digest": contract.digest,
        "trigforge.input_type": str(contract.model_input),
        "trigforge.output_types": json.dumps([str(kind) for kind in lowering.program.outputs]),
        "trigforge.program_digest": lowering.program.digest,
    }


def _set_batch(model: Any, batch: int | str) -> None:
    """Fix the batch axis of every tensor that has one."""
    if batch == BATCH:
        return
    for info in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param == BATCH:
                dim.dim_value = batch
