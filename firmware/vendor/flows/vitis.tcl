# Builds the HLS project around this script; run.sh starts it.
# Steps, in TRIGFORGE_STEPS: csim, csynth, cosim, export.

cd [file dirname [file normalize [info script]]]
source settings.tcl

set steps [split $::env(TRIGFORGE_STEPS)]
foreach step $steps {
    if {$step ni {csim csynth cosim export}} {
        error "a step must be csim, csynth, cosim or export, not '$step'"
    }
}

proc announce {step} {
    puts "\ntrigforge: $step"
    flush stdout
}

announce "open ${top}_prj for $part, $clock_ns ns"
open_project -reset ${top}_prj
set_top $top
add_files firmware/$top.cpp -cflags "-std=c++0x"
add_files -tb ${top}_test.cpp -cflags "-std=c++0x"
add_files -tb firmware/weights
if {[file isdirectory tb_data]} {
    add_files -tb tb_data
}
open_solution -reset solution1
set_part $part
create_clock -period $clock_ns -name default
set_clock_uncertainty $clock_uncertainty default
config_compile -name_max_length 80
config_schedule -enable_dsp_full_reg=false

if {"csim" in $steps} {
    announce csim
    csim_design
}
if {"csynth" in $steps} {
    announce csynth
    csynth_design
}
if {"cosim" in $steps} {
    announce cosim
    add_files -tb ${top}_test.cpp -cflags "-std=c++0x -DRTL_SIM"
    cosim_design
}
if {"export" in $steps} {
    announce export
    export_design -format ip_catalog
}
announce done
exit
