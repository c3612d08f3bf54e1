# Synthesis, placement and routing of one RTL block, its ports on virtual pins; run.sh starts it.
# Reports: output/<top>.fit.summary and output/<top>.sta.summary, and the whole of them in *.rpt.

cd [file dirname [file normalize [info script]]]
source settings.tcl
load_package flow

proc announce {step} {
    puts "\ntrigforge: $step"
    flush stdout
}

project_new $top -overwrite
set_global_assignment -name DEVICE $part
set_global_assignment -name TOP_LEVEL_ENTITY $top
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY output
set_global_assignment -name VHDL_INPUT_VERSION VHDL_2008
set_global_assignment -name SDC_FILE clock.sdc
foreach source $sources {
    switch [file extension $source] {
        .v { set_global_assignment -name VERILOG_FILE $source }
        .sv { set_global_assignment -name SYSTEMVERILOG_FILE $source }
        .vhd { set_global_assignment -name VHDL_FILE $source }
        default { error "a source must be .v, .sv or .vhd, not '$source'" }
    }
}
set_instance_assignment -name VIRTUAL_PIN ON -to *
set_instance_assignment -name VIRTUAL_PIN OFF -to $clock

announce "synthesis, placement and routing"
execute_flow -compile
project_close
announce done
