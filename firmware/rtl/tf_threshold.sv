// score >= threshold for every algorithm, one clock; never for a crossing that is not valid.
module tf_threshold #(
    parameter int N_ALGOS = 1,
    parameter int SCORE_BITS = 16,
    parameter bit SIGNED = 1'b1
) (
    input  logic                          clk,
    input  logic                          rst,
    input  logic                          strobe,
    input  logic                          valid,
    input  logic [SCORE_BITS-1:0]         score,
    input  logic [N_ALGOS-1:0]            enable,
    input  logic [N_ALGOS*SCORE_BITS-1:0] threshold,
    output logic [N_ALGOS-1:0]            bits
);
    // with its sign bit inverted, a number in two's complement compares as an unsigned one
    localparam logic [SCORE_BITS-1:0] SIGN = SCORE_BITS'(SIGNED) << (SCORE_BITS - 1);

    for (genvar i = 0; i < N_ALGOS; i++) begin : algo
        wire [SCORE_BITS-1:0] limit = threshold[i*SCORE_BITS+:SCORE_BITS];
        wire passes = (score ^ SIGN) >= (limit ^ SIGN);
        always_ff @(posedge clk) begin
            if (rst) bits[i] <= 1'b0;
            else if (strobe) bits[i] <= valid && enable[i] && passes;
        end
    end
endmodule
