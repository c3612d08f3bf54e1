"""`TrigforgeBackend`: hls4ml's interface to the integer program, its emulator, its RTL and their co-simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hls4ml.backends import VitisBackend, VivadoBackend
from hls4ml.model.flow import get_flow, register_flow
from hls4ml.model.optimizer import model_optimizer

from trigforge.hls4ml_backend import flow

if TYPE_CHECKING:
    from trigforge.hls4ml_backend.interface import Prediction

NAME: Final = "Trigforge"

QUANTISER: Final = "process_fixed_point_quantizer_layer"
WRITE_PASSES: Final = ("make_stamp", "trigforge:write_hls")


class TrigforgeBackend(VitisBackend):  # type: ignore[misc]
    """hls4ml's Vitis backend, whose C++ is the reference, with our `compile`, `predict`, `trace` and `build`."""

    def __init__(self) -> None:
        super(VivadoBackend, self).__init__(name=NAME)  # the constructors between name themselves Vitis and Vivado
        self._register_layer_attributes()
        self._register_flows()

    def _register_flows(self) -> None:
        """Vitis' flow behind our settings, with our pass for HGQ's quantisers in the place of Vivado's."""
        self.register_pass(QUANTISER, flow.QuantizerMask)
        accept = register_flow("accept", ["trigforge:accept_settings"], backend=self.name)
        vivado = get_flow("vivado:optimize")
        passes = [f"trigforge:{QUANTISER}" if p == f"vivado:{QUANTISER}" else p for p in vivado.optimizers]
        optimize = register_flow("optimize", passes, requires=vivado.requires, backend=self.name)
        required = [optimize if name == "vivado:optimize" else name for name in get_flow("vitis:ip").requires]
        self._default_flow = register_flow("ip", None, requires=[accept, *required], backend=self.name)
        self._writer_flow = register_flow("write", WRITE_PASSES, requires=[self._default_flow], backend=self.name)

    @model_optimizer()  # type: ignore[untyped-decorator]
    def accept_settings(self, model: Any) -> None:
        """The first pass of the flow."""
        flow.accept_settings(model)

    def create_initial_config(
        self,
        *,
        check_vectors: int | None = None,
        latency_budget_ns: float | None = None,
        stages: int | None = None,
        ns_per_level: float | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Vitis' configuration and the section `Trigforge`: see `Settings` for its four keys."""
        from trigforge.hls4ml_backend.files import SECTION
        from trigforge.hls4ml_backend.interface import Settings

        asked = {
            "check_vectors": check_vectors,
            "latency_budget_ns": latency_budget_ns,
            "stages": stages,
            "ns_per_level": ns_per_level,
        }
        own = Settings.parse({k: v for k, v in asked.items() if v is not None}, where="arguments of the backend")
        config: dict[str, Any] = super().create_initial_config(**settings)
        return {**config, SECTION: own.model_dump(mode="json", by_alias=True, exclude_defaults=True)}

    def compile(self, model: Any) -> str:
        """Compile the emulator of the written project and hls4ml's csim and compare them; the path of a library.

        Raises `CheckError` that names the first layer that differs, `MissingToolError` without g++.
        """
        from trigforge.hls4ml_backend.compiled import compile_project
        from trigforge.hls4ml_backend.files import load_project

        project = load_project(Path(model.config.get_output_dir()))
        model.trigforge = compile_project(project, model)
        if hasattr(model, "graph"):  # one read from hls4ml's .fml did not go through the flow's first pass
            flow.bind_trace(model)
        return str(model.trigforge.library)

    def predict(self, model: Any, x: Any) -> Prediction:
        """What hls4ml's csim predicts for any real numbers `x`, in its shapes and types, from the emulator."""
        from trigforge.hls4ml_backend.compiled import compiled_of

        return compiled_of(model)(x)

    def build(
        self,
        model: Any,
        reset: bool = False,
        csim: bool = True,
        synth: bool = True,
        cosim: bool = True,
        validation: bool = False,
        export: bool = False,
        vsynth: bool = False,
        fifo_opt: bool = False,
        log_to_stdout: bool = True,  # noqa: ARG002  (nothing is logged to stdout)
        simulator: str = "verilator",
        vectors: int = 2000,
    ) -> dict[str, Any]:
        """Compare csim, program, emulator and RTL on about `vectors` vectors and map the RTL with Yosys.

        `reset` removes what earlier builds left, `validation` asks for `csim` and `cosim`, `vsynth` for Vivado's place
        and route. The report has hls4ml's keys and is written to `trigforge/report.json` of the output folder.
        """
        from trigforge.hls4ml_backend.building import Steps, build_project
        from trigforge.hls4ml_backend.compiled import written_project

        steps = Steps.of(
            reset=reset,
            csim=csim or validation,
            synth=synth,
            cosim=cosim or validation,
            export=export,
            vsynth=vsynth,
            fifo_opt=fifo_opt,
            simulator=simulator,
            vectors=vectors,
        )
        return build_project(written_project(model), steps)
