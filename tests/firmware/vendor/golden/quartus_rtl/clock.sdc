create_clock -period 2.5 -name clk [get_ports clk]
set_clock_uncertainty -setup -to [get_clocks clk] 0.25
