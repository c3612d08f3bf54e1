create_clock -period 2.5 -name clk [get_ports clk]
set_clock_uncertainty -setup 0.25 [get_clocks clk]
