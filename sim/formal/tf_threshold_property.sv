// Two scores of BITS bits side by side, the lower one signed: each bit is valid, enabled and score >= threshold, as
// the language itself compares, in the clock after the strobe; it then holds, and a reset clears it.
module tf_threshold_property #(
    parameter int BITS = 16
) (
    input  logic              clk,
    input  logic              rst,
    input  logic              strobe,
    input  logic              valid,
    input  logic [2*BITS-1:0] score,
    input  logic [1:0]        enable,
    input  logic [63:0]       threshold,
    output logic              broken
);
    wire [1:0] bits;
    tf_threshold #(
        .N_ALGOS(2), .SCORE_BITS(2*BITS), .ALGO_FIRST({16'(BITS), 16'd0}), .ALGO_WIDTH({8'(BITS), 8'(BITS)}),
        .ALGO_SIGNED(2'b01)
    ) dut (
        .clk, .rst, .strobe, .valid, .score, .enable, .threshold, .bits
    );

    wire signed [BITS-1:0] low_score = score[BITS-1:0];
    wire signed [BITS-1:0] low_limit = threshold[BITS-1:0];
    wire low_passes = low_score >= low_limit;
    wire high_passes = score[2*BITS-1:BITS] >= threshold[32+:BITS];

    logic known = 1'b0;
    logic [1:0] expected;
    always_ff @(posedge clk) begin
        if (rst) begin
            known <= 1'b1;
            expected <= 2'b00;
        end else if (strobe) begin
            known <= 1'b1;
            expected <= {valid && enable[1] && high_passes, valid && enable[0] && low_passes};
        end
    end
    assign broken = known && bits != expected;
endmodule
