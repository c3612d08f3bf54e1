set top {core}
set part {1SM21BHU2F53E1VG}
set clock {clk}
set sources {
    ../rtl/src/a.v
    ../rtl/src/b.sv
    ../rtl/src/core.vhd
}
