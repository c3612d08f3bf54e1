"""Models to export and the check of their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from exactness import make_values
from hgq_models import assign_bits, scopes

from trigforge.contract import InputContract
from trigforge.firmware.export import check_exported, export_onnx, export_qonnx
from trigforge.firmware.hls import tensor_sizes
from trigforge.firmware.lowering import Lowering, lower
from trigforge.fixed import FixedType, Overflow, Rounding

INPUT = FixedType(signed=True, width=8, integer=4, rounding=Rounding.RND_CONV, overflow=Overflow.SAT)
Export = Callable[..., None]
BOTH: tuple[Export, ...] = (export_onnx, export_qonnx)


def lowered(graph: Any, kind: FixedType = INPUT) -> tuple[InputContract, Lowering]:
    contract = InputContract.of_type("exported", sum(tensor_sizes(graph)[0]), kind)
    return contract, lower(graph, contract)


def check_export(
    graph: Any, folder: Path, kind: FixedType = INPUT, exports: tuple[Export, ...] = BOTH
) -> dict[Export, Path]:
    """Export a graph and assert that the files give the program's words on 10 000 vectors and corners."""
    contract, lowering = lowered(graph, kind)
    words = kind.from_float(make_values(kind, (contract.words,)))
    assert len(np.unique(lowering.program(words), axis=0)) > 20
    paths = {}
    for export in exports:
        paths[export] = folder / f"{export.__name__}.onnx"
        export(graph, contract, lowering, paths[export])
        check_exported(paths[export], contract, lowering.program, words)
    return paths


def perceptron() -> Any:
    """Two outputs, one through the other, every quantiser with bits of its own for each element."""
    import keras
    from hgq.layers import QDense

    keras.utils.set_random_seed(3)
    with scopes("SAT"):
        words = keras.Input((5,), name="words")
        hidden = QDense(8, activation="relu", name="hidden")(words)
        mean = QDense(3, name="mean", enable_oq=True)(hidden)
        decoded = QDense(5, name="decoded")(mean)
    model = keras.Model(words, [mean, decoded])
    assign_bits(model, 1)
    for name in ("hidden", "decoded"):
        prune_first_input(model.get_layer(name))
    return model


def prune_first_input(layer: Any) -> None:
    """No bits for the first element of what a layer takes."""
    bits = {variable.path.rsplit("/", 1)[-1]: variable for variable in layer.iq.quantizer.variables}
    fractions = bits["f"].numpy()
    fractions[..., 0] = -bits["i"].numpy()[..., 0] - 1
    bits["f"].assign(fractions)


def image_model() -> Any:
    """Convolutions with padding and strides, pools, a skip connection, batch normalisation, a dense head."""
    import keras
    from hgq.layers import QAdd, QBatchNormalization, QConv2D, QDense

    keras.utils.set_random_seed(5)
    layers = keras.layers
    with scopes("SAT"):
        image = keras.Input((4, 5, 1), name="image")
        hidden = QConv2D(2, 3, padding="same", activation="relu", name="first")(image)
        skip = QAdd(name="skip")([hidden, QConv2D(2, 1, name="point")(hidden)])
        pooled = layers.MaxPooling2D((2, 1), name="most")(QBatchNormalization(name="norm")(skip))
        mean = layers.AveragePooling2D((1, 2), name="mean")(QConv2D(3, 2, strides=(1, 2), name="second")(skip))
        joined = layers.Concatenate(name="joined")([layers.Flatten()(pooled), layers.Flatten()(mean)])
        outputs = [QDense(4, name="head")(joined), layers.GlobalMaxPooling2D(name="top")(mean)]
    model = keras.Model(image, outputs)
    assign_bits(model, 2)
    return model
