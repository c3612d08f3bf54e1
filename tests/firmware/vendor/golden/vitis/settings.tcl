set top {core}
set part {xcvu13p-flga2577-2-e}
set clock_ns {2.5}
set clock_uncertainty {27%}
