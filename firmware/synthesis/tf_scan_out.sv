// Reads the many outputs of a block through one pin: all are captured while `capture` is high, else the chain moves.
module tf_scan_out #(
    parameter int BITS = 1
) (
    input  logic            clk,
    input  logic            capture,
    input  logic [BITS-1:0] parallel,
    output logic            serial
);
    logic [BITS-1:0] held;
    assign serial = held[BITS-1];
    always_ff @(posedge clk) held <= capture ? parallel : BITS'({held, 1'b0});
endmodule
