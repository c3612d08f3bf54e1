"""What every front end takes and gives: a `Conversion` in, a `Source` (hls4ml's `ModelGraph` and its origin) out."""

from __future__ import annotations

import contextlib
import io
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trigforge.errors import InputError, TrigforgeError
from trigforge.firmware.project import Precision, Targets
from trigforge.firmware.scores import Score, add_score
from trigforge.fixed import FixedType

TABLES = frozenset({"table", "exp_table", "inv_table", "inv_inp", "inp_norm"})
"""Variables of `Precision.layers` that are types of tables."""
FloatArray = npt.NDArray[np.float64]
Reference = Callable[[FloatArray], FloatArray]
"""A model in its own framework's arithmetic: inputs (n, *shape) to outputs (n, outputs), flattened in graph order."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Where and for what a model is converted.

    `name` is the HLS top function and the namespace of all its symbols; `input_type` is what the contract's normaliser
    delivers, with its rounding and overflow. A `score` becomes the only output, cast to `score_type` if that is given.
    """

    name: str
    folder: Path
    input_type: FixedType
    targets: Targets = field(default_factory=Targets)
    backend: str = "Vitis"
    precision: Precision = field(default_factory=Precision)
    score: Score | None = None
    score_type: FixedType | None = None

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that all of hls4ml's `convert_from_*` share."""
        return {
            "output_dir": str(self.folder),
            "project_name": self.name,
            "backend": self.backend,
            "io_type": "io_parallel",
            "part": self.targets.part,
            "clock_period": self.targets.clock_ns,
            "namespace": f"ns_{self.name}",
            "write_weights_txt": False,  # the loader of text files is one function for all models in a process
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A converted model: the graph that is lowered and compiled, the framework it came from and its own arithmetic.

    `reference` computes the model's own outputs, not a score that was added; `inside` the values (n, elements) of its
    layers, by the names of the graph's nodes.
    """

    graph: Any
    framework: str
    reference: Reference | None = None
    inside: Callable[[FloatArray], dict[str, FloatArray]] | None = None


def apply_precision(config: dict[str, Any], conversion: Conversion) -> dict[str, Any]:
    """hls4ml's configuration with the user's types; an unknown layer raises `InputError`."""
    precision, layers = conversion.precision, config.setdefault("LayerName", {})
    if precision.default:
        config["Model"]["Precision"] = {"default": precision.default, "maximum": precision.default}
    for name, types in precision.layers.items():
        if name not in layers:
            raise InputError(f"precision.layers must name layers of the model ({', '.join(layers)}), not {name!r}")
        asked = layers[name].setdefault("Precision", {})
        if not isinstance(asked, dict):
            asked = layers[name]["Precision"] = {"default": asked}
        tables = TABLES & types.keys()  # hls4ml takes these as keys of the layer only
        asked.update({variable: kind for variable, kind in types.items() if variable not in tables})
        layers[name].update({f"{variable}_t": types[variable] for variable in sorted(tables)})
    return config


def run_hls4ml(conversion: Conversion, framework: str, convert: Callable[[], Any]) -> Any:
    """The graph that `convert` makes, with the score asked for, its HLS project written to a clean folder.

    hls4ml's refusal becomes an `InputError` with its reason.
    """
    if conversion.folder.exists():
        shutil.rmtree(conversion.folder)
    try:
        with quiet():
            graph = convert()
            _require_own_name(conversion, graph)
            if conversion.score is not None:
                add_score(graph, conversion.score, conversion.score_type)
            graph.write()
            return graph
    except TrigforgeError:
        shutil.rmtree(conversion.folder, ignore_errors=True)
        raise
    except Exception as error:  # hls4ml raises whatever its parsers meet, plain Exception included
        shutil.rmtree(conversion.folder, ignore_errors=True)
        reason = str(error).strip().splitlines() or [_place(error)]
        raise InputError(f"hls4ml cannot convert the {framework} model {conversion.name!r}: {reason[0]}") from error


def _place(error: Exception) -> str:
    """Where an error without a text was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}: {frame.line}"


def _require_own_name(conversion: Conversion, graph: Any) -> None:
    if conversion.name in graph.graph:
        raise InputError(f"the project must not be named like a layer of its model ({conversion.name!r})")


@contextlib.contextmanager
def quiet(log: io.StringIO | None = None) -> Iterator[None]:
    """Keep to ourselves what hls4ml prints and Keras warns about: it concerns our calls, not the user's input."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(log or io.StringIO()):
        warnings.simplefilter("ignore")
        yield
