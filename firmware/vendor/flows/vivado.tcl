# Synthesis, placement and routing of one RTL block out of context; run.sh starts it.
# Reports: reports/utilization.rpt and reports/timing.rpt after routing, *_synth.rpt after synthesis.

cd [file dirname [file normalize [info script]]]
source settings.tcl

proc announce {step} {
    puts "\ntrigforge: $step"
    flush stdout
}

proc report {suffix} {
    report_utilization -file reports/utilization$suffix.rpt
    report_timing_summary -max_paths 10 -file reports/timing$suffix.rpt
}

file mkdir reports
foreach source $sources {
    switch [file extension $source] {
        .v { read_verilog $source }
        .sv { read_verilog -sv $source }
        .vhd { read_vhdl -vhdl2008 $source }
        default { error "a source must be .v, .sv or .vhd, not '$source'" }
    }
}
read_xdc -mode out_of_context clock.xdc

announce synthesis
synth_design -top $top -part $part -mode out_of_context
report _synth
announce placement
opt_design
place_design
phys_opt_design
announce routing
route_design
report ""
write_checkpoint -force routed.dcp
announce done
exit
