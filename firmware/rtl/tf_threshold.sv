// score >= threshold for every algorithm, one clock; never for a crossing that is not valid.
//
// The scores lie side by side. Algorithm i compares the ALGO_WIDTH[i] bits from bit ALGO_FIRST[i] on, in two's
// complement if ALGO_SIGNED[i]; its threshold has as many bits.
module tf_threshold #(
    parameter int N_ALGOS = 1,
    parameter int SCORE_BITS = 16,
    parameter logic [16*N_ALGOS-1:0] ALGO_FIRST = '0,
    parameter logic [8*N_ALGOS-1:0] ALGO_WIDTH = {N_ALGOS{8'(SCORE_BITS)}},
    parameter logic [N_ALGOS-1:0] ALGO_SIGNED = '1
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  strobe,
    input  logic                  valid,
    input  logic [SCORE_BITS-1:0] score,
    input  logic [N_ALGOS-1:0]    enable,
    input  logic [32*N_ALGOS-1:0] threshold,
    output logic [N_ALGOS-1:0]    bits
);
    wire unused = &{score, threshold};  // a threshold takes as many of its 32 bits as its score has

    for (genvar i = 0; i < N_ALGOS; i++) begin : algo
        localparam int FIRST = int'(ALGO_FIRST[16*i+:16]);
        localparam int BITS = int'(ALGO_WIDTH[8*i+:8]);
        // with its sign bit inverted, a number in two's complement compares as an unsigned one
        localparam logic [BITS-1:0] SIGN = BITS'(ALGO_SIGNED[i]) << (BITS - 1);

        wire [BITS-1:0] value = score[FIRST+:BITS];
        wire [BITS-1:0] limit = threshold[32*i+:BITS];
        wire passes = (value ^ SIGN) >= (limit ^ SIGN);
        always_ff @(posedge clk) begin
            if (rst) bits[i] <= 1'b0;
            else if (strobe) bits[i] <= valid && enable[i] && passes;
        end
    end
endmodule
