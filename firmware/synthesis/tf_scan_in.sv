// Feeds a block of many inputs from one pin: a chain of flip-flops that moves while `shift` is high. Between the chain
// and the block lies no logic; as it can stand still, no flip-flop of the block equals one of the chain.
module tf_scan_in #(
    parameter int BITS = 1
) (
    input  logic            clk,
    input  logic            shift,
    input  logic            serial,
    output logic [BITS-1:0] parallel
);
    always_ff @(posedge clk) begin
        if (shift) parallel <= BITS'({parallel, serial});
    end
endmodule
