set top {core}
set part {xcvu13p-flga2577-2-e}
set clock {clk}
set sources {
    ../rtl/src/a.v
    ../rtl/src/b.sv
    ../rtl/src/core.vhd
}
