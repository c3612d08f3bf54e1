"""Reshapes, transpositions, concatenations and inner products: csim = program; what has no exact meaning is refused."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from exactness import check_exact, make_values
from hgq_models import scopes

from trigforge.contract import InputContract
from trigforge.errors import ExactnessError
from trigforge.firmware.frontends.conversion import Conversion
from trigforge.firmware.frontends.keras3 import convert_keras
from trigforge.firmware.lowering import lower
from trigforge.firmware.project import Precision
from trigforge.fixed import FixedType

WORD = FixedType(signed=True, width=9, integer=4)


def test_shapes_with_lossy_types_equal_csim(tmp_path: Path) -> None:
    layers = keras.layers
    block, flat = keras.Input((2, 3, 2), name="block"), keras.Input((12,), name="flat")
    cube = layers.Reshape((2, 3, 2), name="cube")(flat)
    square = layers.Reshape((4, 3), name="square")(block)
    other = layers.Reshape((4, 3), name="other")(flat)
    turned = layers.Permute((3, 1, 2), name="turned")(block)
    crossed = layers.Permute((2, 1), name="crossed")(square)
    outputs = [
        turned,
        crossed,
        layers.Concatenate(axis=1, name="flats")([flat, layers.Flatten(name="flatten")(crossed)]),
        layers.Concatenate(axis=1, name="rows")([square, other]),
        layers.Concatenate(axis=-1, name="columns")([square, other]),
        layers.Concatenate(axis=1, name="first")([block, cube]),
        layers.Concatenate(axis=2, name="second")([block, cube]),
        layers.Concatenate(axis=3, name="third")([block, cube]),
        layers.Dot(axes=1, name="inner")([flat, layers.Flatten(name="again")(turned)]),
        layers.Dot(axes=1, name="norm")([flat, flat]),
        layers.Dot(axes=1, name="limited")([layers.Flatten(name="third_time")(block), flat]),
    ]
    types = {
        "turned": {"result": "fixed<6,3,RND_ZERO,SAT>"},
        "crossed": {"result": "ufixed<5,2,RND_CONV,WRAP>"},
        "flats": {"result": "fixed<7,4,RND_MIN_INF,SAT_SYM>"},
        "rows": {"result": "fixed<6,3,TRN_ZERO,WRAP>"},
        "inner": {"accum": "fixed<12,6,RND_INF,WRAP>", "result": "fixed<10,5,RND,SAT>"},
        "norm": {"accum": "ufixed<10,8,RND_CONV,SAT>", "result": "fixed<8,8>"},
        "limited": {"accum": "fixed<9,6,TRN_ZERO,SAT_SYM>", "result": "fixed<9,6>"},
    }
    conversion = Conversion(
        "shapes", tmp_path / "shapes", WORD, precision=Precision(default="fixed<24,10>", layers=types)
    )
    source = convert_keras(keras.Model([block, flat], outputs), conversion)
    lowering = check_exact(source, conversion, make_values(WORD, (24,)))
    assert {layer.class_name for layer in lowering.layers} == {"Input", "Reshape", "Transpose", "Concatenate", "Dot"}


def test_an_index_into_a_table_is_refused(tmp_path: Path) -> None:
    index = keras.Input((4,), name="index")
    table = keras.layers.Embedding(8, 2, name="table")(index)
    conversion = Conversion("lookup", tmp_path / "lookup", WORD, precision=Precision(default="fixed<16,6>"))
    source = convert_keras(keras.Model(index, table), conversion)
    with pytest.raises(ExactnessError, match=r"layer 'table' \(Embedding\) has no exact lowering: .* one-hot"):
        lower(source.graph, InputContract.of_type("lookup", 4, WORD))


def test_a_quantiser_that_hls4ml_drops_behind_a_reshape_is_refused(tmp_path: Path) -> None:
    from hgq.layers import QDense
    from hgq.quantizer import Quantizer, QuantizerConfig

    with scopes("SAT"):
        words = keras.Input((4,), name="words")
        hidden = QDense(6, name="hidden")(words)
        block = keras.layers.Reshape((2, 3), name="block")(hidden)
        coarse = Quantizer(QuantizerConfig("kif", "datalane", k0=1, i0=2, f0=1, overflow_mode="SAT"), name="coarse")
        outputs = [QDense(2, name="left")(hidden), keras.layers.Permute((2, 1), name="right")(coarse(block))]
    conversion = Conversion("dropped", tmp_path / "dropped", WORD)
    source = convert_keras(keras.Model(words, outputs), conversion)
    with pytest.raises(ExactnessError, match=r"layer 'block' \(Reshape\): the quantiser after it must stand before it"):
        lower(source.graph, InputContract.of_type("dropped", 4, WORD))


def test_an_input_is_read_as_it_is_and_reshaped(tmp_path: Path) -> None:
    """hls4ml would give the uniform quantiser behind the reshape to it, and then lack the input's type."""
    from hgq.layers import QConv1D, QDense

    with scopes("SAT"):
        words = keras.Input((12,), name="words")
        line = QConv1D(2, 3, name="line")(keras.layers.Reshape((6, 2), name="pairs")(words))
        deep = QDense(3, name="deep")(words)
        outputs = keras.layers.Concatenate(name="both")([keras.layers.Flatten(name="flat")(line), deep])
    model = keras.Model(words, QDense(2, name="scores")(outputs))
    conversion = Conversion("twice", tmp_path / "twice", WORD)
    check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (12,)))


def test_a_quantiser_behind_a_quantised_output_keeps_both(tmp_path: Path) -> None:
    """hls4ml would give the second one's type to the layer, and lose the first."""
    from hgq.config import QuantizerConfig
    from hgq.layers import QDense

    fine = QuantizerConfig("kif", "datalane", i0=0, f0=6, overflow_mode="SAT", round_mode="RND")
    with scopes("SAT"):
        words = keras.Input((4,), name="words")
        first = QDense(3, name="first", enable_oq=True, oq_conf=fine)(words)
        model = keras.Model(words, QDense(2, name="second")(first))
    conversion = Conversion("twofold", tmp_path / "twofold", WORD)
    check_exact(convert_keras(model, conversion), conversion, make_values(WORD, (4,)))
