"""hls4ml with `backend='trigforge'`: what a user of hls4ml's Python interface sees."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import hls4ml
import numpy as np
import pytest
from hls4ml.utils.link import FilesystemModelGraph
from numpy.testing import assert_array_equal

from tests.hls4ml_backend.conftest import inputs
from trigforge.errors import CheckError, ExactnessError, InputError, MissingToolError
from trigforge.firmware.lowering.layer import Outcome
from trigforge.firmware.lowering.rules import RULES

EVENTS = 10_000
LOWERING = "trigforge.firmware.lowering.lower"
"""The module; its package has the function under the same name."""
LEAKY = pytest.mark.filterwarnings(
    "ignore:.*hls4ml_config.yml:ResourceWarning", "ignore:.*hls4ml_config.yml:pytest.PytestUnraisableExceptionWarning"
)
"""hls4ml never closes the configuration file of a project that it links."""


def lossy_inputs(events: int, dtype: Any) -> list[np.ndarray]:
    return [inputs(events, *shape, dtype=dtype) for shape in ((5,), (3, 2), (4,))]


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal values, shapes and types, one array or a list of them."""
    assert type(ours) is type(theirs)
    for own, other in zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]:
        assert_array_equal(own, other)
        assert (own.shape, own.dtype) == (other.shape, other.dtype)


def test_the_backend_is_registered_once_however_often_it_is_found() -> None:
    from trigforge.hls4ml_backend import register

    register(hls4ml.backends.register_backend, hls4ml.writer.register_writer)
    assert hls4ml.backends.get_available_backends().count("trigforge") == 1


def test_prediction_equals_the_trainer_and_csim(hgq: tuple[Any, Any]) -> None:
    model, graph = hgq
    x = inputs(EVENTS, 8)
    assert_same(graph.predict(x), graph._predict(x))
    assert_same(graph.predict(x), [np.asarray(y) for y in model.predict(x, batch_size=EVENTS, verbose=0)])
    assert len(np.unique(graph.predict(x)[0])) > 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("events", [EVENTS, 2])
def test_several_inputs_off_their_grids_equal_csim(lossy: Any, dtype: Any, events: int, capfd: Any) -> None:
    x = lossy_inputs(events, dtype)
    assert_same(lossy.predict(x), lossy._predict(x))
    capfd.readouterr()  # the header of ap_int prints warnings


def test_one_event_has_no_axis_of_events(hgq: tuple[Any, Any], lossy: Any, capfd: Any) -> None:
    graph, x = hgq[1], inputs(1, 8)
    assert_same(graph.predict(x[0]), graph._predict(x[0]))
    several = lossy_inputs(1, np.float32)
    assert_same(lossy.predict(several), lossy._predict(several))
    capfd.readouterr()


def test_trace_gives_every_layer_as_csim_does(lossy: Any, hgq: tuple[Any, Any]) -> None:
    from trigforge.hls4ml_backend.csim import trace_csim

    x = lossy_inputs(50, np.float64)
    prediction, layers = lossy.trace(x)
    assert_same(prediction, lossy.predict(x))
    assert {name: array.shape[1:] for name, array in layers.items()} == {
        "hidden": (6,), "hidden_relu": (6,), "both": (10,), "first": (2,), "second": (3, 3), "second_relu": (3, 3),
    }  # fmt: skip
    graph = hgq[1]
    x = inputs(20, 8, dtype=np.float64)
    _, layers = graph.trace(x)
    traced = trace_csim(graph, x[:1])
    assert set(traced) == set(layers)
    for name, values in traced.items():
        assert_array_equal(layers[name][0].ravel(), values)
    graph.write()  # without the traces


def test_build_verifies_the_rtl_and_reports_in_hls4mls_keys(hgq: tuple[Any, Any]) -> None:
    graph = hgq[1]
    report = graph.build(simulator="icarus", vectors=200, reset=True)
    assert report["TrigforgeReport"]["Top"] == "top_model_1"
    assert report["TrigforgeReport"]["Mismatches"] == dict.fromkeys(
        ("csim_vs_program", "program_vs_emulator", "program_vs_rtl"), 0
    )
    cosim, synthesis = report["CosimReport"], report["CSynthesisReport"]
    assert cosim["Status"] == "Pass"
    assert cosim["Events"] >= 200
    assert cosim["LatencyMin"] == int(synthesis["BestLatency"]) > 1
    assert int(synthesis["LUT"]) > 100
    assert "Yosys" in synthesis["Estimator"]
    folder = Path(graph.config.get_output_dir())
    assert json.loads((folder / "trigforge" / "report.json").read_text()) == report
    assert (folder / "trigforge" / "certificate.json").is_file()
    assert (folder / "firmware" / "model_1.cpp").is_file()


def test_rtl_that_was_changed_fails_the_build_and_leaves_no_report(hgq: tuple[Any, Any]) -> None:
    graph = hgq[1]
    own = Path(graph.config.get_output_dir()) / "trigforge"
    graph.build(synth=False, cosim=False, vectors=8)
    top = own / "rtl" / "src" / "top_model_1.v"
    text = top.read_text()
    changed, count = re.subn(r"(model_out\[\d+:0\] <= )(INTERNAL)", r"\1~\2", text)
    assert count == 1
    top.write_text(changed)
    with pytest.raises(CheckError, match=r"program_vs_rtl must agree on every word, but \d+ of \d+ differ"):
        graph.build(synth=False, simulator="icarus", vectors=8)
    assert not (own / "report.json").exists()
    top.write_text(text)


@LEAKY
def test_a_linked_project_predicts_and_builds_without_its_graph(hgq: tuple[Any, Any], tmp_path: Path) -> None:
    graph, x = hgq[1], inputs(100, 8)
    linked = FilesystemModelGraph(graph.config.get_output_dir())
    with pytest.raises(InputError, match=r"must be compiled before it predicts; call compile\(\)"):
        linked.predict(x)
    linked.compile()
    assert_same(linked.predict(x), graph.predict(x))
    assert linked.build(cosim=False, synth=False, vectors=50)["TrigforgeReport"]["Mismatches"]["csim_vs_program"] == 0
    shutil.copy(Path(graph.config.get_output_dir()) / "hls4ml_config.yml", tmp_path)
    elsewhere = FilesystemModelGraph(str(tmp_path))
    elsewhere.config.config["OutputDir"] = str(tmp_path)
    with pytest.raises(InputError, match=r"must hold a project that the trigforge backend wrote; write\(\) or convert"):
        elsewhere.build()


def test_the_inputs_of_the_test_bench_are_played_and_their_results_reported(hgq: tuple[Any, Any]) -> None:
    graph, x = hgq[1], inputs(3, 8)
    folder = Path(graph.config.get_output_dir())
    bench = folder / "tb_data" / "tb_input_features.dat"
    bench.write_text("\n".join(" ".join(map(str, row)) for row in x))
    report = graph.build(synth=False, simulator="icarus", vectors=8)
    results = np.array(report["CosimResults"], dtype=np.float32)
    assert_array_equal(results, np.concatenate(graph.predict(x), axis=1))
    bench.write_text("1 2 3\n")
    with pytest.raises(InputError, match="must have 8 numbers a line, the model's inputs, not 3"):
        graph.build(synth=False, cosim=False)
    bench.unlink()


def test_steps_that_need_a_vendor_are_refused(hgq: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    graph, none = hgq[1], {"csim": False, "synth": False, "cosim": False}
    with pytest.raises(InputError, match="export must be False: an IP package is made by Vivado; take the RTL in"):
        graph.build(export=True)
    with pytest.raises(InputError, match="fifo_opt must be False: the RTL has no FIFOs"):
        graph.build(fifo_opt=True)
    with pytest.raises(InputError, match="vectors must be at least 1, not 0"):
        graph.build(vectors=0)
    monkeypatch.setattr("shutil.which", lambda *_args, **_keys: None)
    with pytest.raises(MissingToolError, match="vivado"):
        graph.build(**none, vsynth=True)


def test_a_lowering_that_errs_is_caught_and_its_layer_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Any
) -> None:
    def wrong(node: Any, given: list[Any]) -> Outcome:
        outcome = RULES["Dense"](node, given)
        shift = 2.0**-4 if node.name == "second" else 0.0
        return Outcome(outcome.values + shift, outcome.inner)

    graph = small(output_dir=str(tmp_path / "wrong"))
    monkeypatch.setattr(sys.modules[LOWERING], "RULES", {**RULES, "Dense": wrong})
    with pytest.raises(
        CheckError,
        match=r"hls4ml's csim and the program must agree on every word, but \d+ of \d+ differ; first at event \d+ "
        r"\(random\), output 'third'\[0\]: csim .*; first in layer 'second' \(Dense\), element 0 of event 0",
    ):
        graph.compile()


@LEAKY
def test_csim_can_be_left_out(small: Any, tmp_path: Path) -> None:
    graph, x = small(output_dir=str(tmp_path / "quick"), check_vectors=0), inputs(100, 2)
    graph.compile()
    assert graph.predict(x).shape == (100, 2)
    assert not list((tmp_path / "quick" / "firmware").glob("*.so"))
    report = graph.build(synth=False, cosim=False, vectors=100)  # csim is compiled when a build asks for it
    assert report["TrigforgeReport"]["Mismatches"] == {"csim_vs_program": 0, "program_vs_emulator": 0}
    assert_array_equal(hls4ml.converters.link_existing_project(str(tmp_path / "quick")).config.config["Trigforge"], {
        "CheckVectors": 0
    })  # fmt: skip


def test_what_cannot_be_is_refused(small: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="IOType must be io_parallel with the trigforge backend, not 'io_stream': its"):
        small(output_dir=str(tmp_path / "a"), io_type="io_stream")
    with pytest.raises(InputError, match=r"arguments of the backend: .*check_?[vV]ectors"):
        small(output_dir=str(tmp_path / "b"), check_vectors=-1)
    with pytest.raises(InputError, match="ClockUncertainty must be less than the period, such as '27%'"):
        small(output_dir=str(tmp_path / "c"), clock_uncertainty="1200%").write()
    graph = small(output_dir=str(tmp_path / "d"))
    with pytest.raises(InputError, match=r"must be compiled before it predicts; call compile\(\)"):
        graph.predict(inputs(3, 2))
    graph.config.config["Trigforge"] = {"CheckVektors": 5}
    with pytest.raises(InputError, match=r"section Trigforge of the hls4ml config: unknown key 'CheckVektors'"):
        graph.write()
    assert not (tmp_path / "d").exists()


def test_inputs_of_the_wrong_kind_are_refused(hgq: tuple[Any, Any], lossy: Any) -> None:
    graph = hgq[1]
    for x, found in ((np.zeros((3, 8), dtype=int), "int64 array"), ([[0.0] * 8], "list")):
        with pytest.raises(InputError, match=f"input 'x' must be a float32 or float64 array, not a {found}"):
            graph.predict(x)
    with pytest.raises(InputError, match=r"input 'x' must have the shape \(n, 8\), not \(3, 7\)"):
        graph.predict(np.zeros((3, 7)))
    with pytest.raises(InputError, match="there is a NaN among them"):
        graph.predict(np.full((3, 8), np.nan))
    with pytest.raises(InputError, match="x must be a list of 3 arrays, one an input of the model"):
        lossy.predict(np.zeros((3, 8)))
    with pytest.raises(InputError, match="all inputs must have as many events, not 3, 3, 2"):
        lossy.predict([np.zeros((3, 5)), np.zeros((3, 3, 2)), np.zeros((2, 4))])


def test_input_types_of_more_than_32_bits_are_refused(small: Any, tmp_path: Path) -> None:
    graph = small(output_dir=str(tmp_path / "wide"))
    next(iter(graph.get_input_variables())).type.precision.width = 40
    with pytest.raises(ExactnessError, match=r"input types must have at most 32 bits, sign included, .*ap_fixed<40,4"):
        graph.write()


def test_rtl_that_cannot_meet_the_clock_is_left_out_with_a_reason(small: Any, tmp_path: Path) -> None:
    graph = small(output_dir=str(tmp_path / "fast"), clock_period=0.5, check_vectors=0)
    with pytest.warns(UserWarning, match="no RTL was written: clock_ns must be at least"):
        graph.compile()
    assert graph.predict(inputs(3, 2)).shape == (3, 2)
    with pytest.raises(InputError, match="clock_ns must be at least"):
        graph.build(csim=False, synth=False, cosim=False)
