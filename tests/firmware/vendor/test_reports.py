"""Reports of Vitis HLS and Vivado: every field, older formats, and truncated or foreign files."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.errors import InputError
from trigforge.firmware.vendor.reports import HlsReport, Utilisation, VivadoReport, read_csynth, read_vivado

REPORTS = Path(__file__).with_name("reports")
CSYNTH = REPORTS / "csynth.xml"
UTILISATION = REPORTS / "utilization.rpt"
TIMING = REPORTS / "timing.rpt"


def edited(source: Path, folder: Path, *changes: tuple[str, str]) -> Path:
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / source.name
    path.write_text(text)
    return path


def test_csynth_is_read_whole():
    estimator = "Vitis HLS 2024.1 csynth"
    assert read_csynth(CSYNTH) == HlsReport(
        top="vae_core",
        part="xcvu13p-flga2577-2-e",
        clock_ns=5.0,
        uncertainty_ns=1.35,
        estimated_clock_ns=3.612,
        latency_min=9,
        latency_max=10,
        ii_min=1,
        ii_max=1,
        used=Utilisation(lut=23456, ff=4321, dsp=17, bram18=2, uram=0, estimator=estimator),
        available=Utilisation(lut=1728000, ff=3456000, dsp=12288, bram18=5376, uram=1280, estimator="device"),
    )


def test_vivado_hls_is_read_and_named(tmp_path):
    old = edited(
        CSYNTH,
        tmp_path,
        (">2024.1<", ">2019.2<"),
        ("<DSP>17</DSP>", "<DSP48E>17</DSP48E>"),
        ("            <URAM>0</URAM>\n", ""),
    )
    used = read_csynth(old).used
    assert used == Utilisation(lut=23456, ff=4321, dsp=17, bram18=2, uram=0, estimator="Vivado HLS 2019.2 csynth")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<Worst-caseLatency>10<", "<Worst-caseLatency>undef<", "Worst-caseLatency .* must be a whole number, not 'un"),
        (
            "<Interval-max>1</Interval-max>",
            "",
            "must contain PerformanceEstimates/SummaryOfOverallLatency/Interval-max",
        ),
        ("<LUT>23456</LUT>", "<LUT/>", "must contain AreaEstimates/Resources/LUT"),
        ("<DSP>17</DSP>", "", "must contain AreaEstimates/Resources/DSP or AreaEstimates/Resources/DSP48E"),
        (">3.612<", ">?<", r"EstimatedClockPeriod in .*csynth.xml must be a number, not '\?'"),
        (">5.00<", ">0.00<", "clock_ns = 0.0: input should be greater than 0"),
    ],
)
def test_a_missing_field_of_csynth_is_named(old, new, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_csynth(edited(CSYNTH, tmp_path, (old, new)))


def test_a_truncated_or_foreign_csynth_is_refused(tmp_path):
    text = CSYNTH.read_text()
    path = tmp_path / "csynth.xml"
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"csynth.xml must be a whole csynth.xml of Vitis HLS: unclosed token"):
        read_csynth(path)
    path.write_text("<html><body>none</body></html>")
    with pytest.raises(InputError, match=r"must contain ReportVersion/Version, as csynth.xml of Vitis HLS does"):
        read_csynth(path)
    with pytest.raises(InputError, match=r"absent.xml cannot be read: No such file"):
        read_csynth(tmp_path / "absent.xml")


def test_vivado_is_read_whole():
    found = read_vivado(UTILISATION, TIMING)
    estimator = "Vivado 2024.1 place and route"
    assert found == VivadoReport(
        design="vae_core",
        device="xcvu13p-flga2577-2-e",
        clock_ns=5.0,
        wns_ns=-0.219,
        tns_ns=-1.25,
        failing_endpoints=11,
        endpoints=6789,
        whs_ns=0.031,
        used=Utilisation(lut=12345, ff=6789, dsp=12, bram18=7, uram=1, estimator=estimator),
    )
    assert not found.met
    assert found.achieved_clock_ns == 5.0 + 0.219


def test_timing_that_is_met(tmp_path):
    timing = edited(
        TIMING,
        tmp_path,
        ("     -0.219       -1.250                     11 ", "      0.781        0.000                      0 "),
    )
    found = read_vivado(UTILISATION, timing)
    assert found.met
    assert found.achieved_clock_ns == 5.0 - 0.781


def test_hold_violations_count(tmp_path):
    timing = edited(TIMING, tmp_path, ("     -0.219", "      0.219"), (" 0.031 ", "-0.031 "))
    assert not read_vivado(UTILISATION, timing).met


def test_seven_series_after_synthesis_is_read():
    used = read_vivado(REPORTS / "utilization_7series.rpt", TIMING).used
    assert used == Utilisation(lut=9876, ff=1234, dsp=3, bram18=0, uram=0, estimator="Vivado 2019.2 synthesized")


@pytest.mark.parametrize(
    ("report", "old", "new", "message"),
    [
        (UTILISATION, "| CLB LUTs ", "| CLB TULs ", "utilization.rpt must contain 'CLB LUTs' or 'Slice LUTs'"),
        (UTILISATION, "| DSPs ", "| DSQs ", "must contain 'DSPs'"),
        (UTILISATION, "| Design State :", "| State :", r"must contain '\| Design State :'"),
        (UTILISATION, "Vivado v.2024.1", "Vivado", "must contain a version of Vivado"),
        (UTILISATION, "| 12345 |", "|  some |", "CLB LUTs in .* must be a number, not 'some'"),
        (TIMING, "| Design Timing Summary", "| Timing", "timing.rpt must contain 'Design Timing Summary'"),
        (TIMING, "     -0.219 ", "         NA ", r"WNS\(ns\) in .* must be a number, not 'NA'; a clock must be constr"),
        (TIMING, "     -0.219 ", "        inf ", "wns_ns = inf: input should be a finite number"),
        (TIMING, "     -0.219 ", "            ", "must have 12 columns under 'WNS.ns.', not 11"),
        (TIMING, "clk    {0.000 2.500}        5.000", "\nclk    {0.000 2.500}        5.000", "one clock .* not 0"),
        (
            TIMING,
            "| Design            : vae_core",
            "| Design            : b",
            "must be of the design 'vae_core' .*not 'b'",
        ),
    ],
)
def test_a_missing_field_of_vivado_is_named(report, old, new, message, tmp_path):
    changed = edited(report, tmp_path, (old, new))
    with pytest.raises(InputError, match=message):
        read_vivado(changed if report is UTILISATION else UTILISATION, changed if report is TIMING else TIMING)


def test_swapped_reports_are_refused():
    with pytest.raises(InputError, match=r"utilization.rpt must contain 'Design Timing Summary'"):
        read_vivado(TIMING, UTILISATION)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("report", [UTILISATION, TIMING])
def test_truncated_reports_are_refused(report, share, tmp_path):
    lines = report.read_text().splitlines(keepends=True)
    path = tmp_path / report.name
    path.write_text("".join(lines[: int(share * len(lines))]))
    with pytest.raises(InputError, match=rf"{report.name} must contain"):
        read_vivado(path if report is UTILISATION else UTILISATION, path if report is TIMING else TIMING)


def test_reports_survive_saving(tmp_path):
    for found, kind in ((read_csynth(CSYNTH), HlsReport), (read_vivado(UTILISATION, TIMING), VivadoReport)):
        found.save(tmp_path / "report.json")
        assert kind.load(tmp_path / "report.json") == found
