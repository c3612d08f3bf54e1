// Gathers an event from BEATS beats of an AXI4-Stream; docs/links.md.
//
// With its last beat issue is high for that clock, words are the event, the first beat lowest, and last is its TLAST.
// A packet is a whole number of events: a TLAST within an event discards the beats of that event (torn).
module tf_axis_in #(
    parameter int DATA_BITS = 64,
    parameter int BEATS = 2
) (
    input  logic                       clk,
    input  logic                       rst,
    input  logic                       tvalid,
    input  logic                       tready,
    input  logic [DATA_BITS-1:0]       tdata,
    input  logic                       tlast,
    output logic                       issue,
    output logic                       last,
    output logic                       torn,
    output logic [BEATS*DATA_BITS-1:0] words
);
    localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
    localparam logic [BEAT_BITS-1:0] FINAL = BEAT_BITS'(BEATS - 1);

    logic [BEAT_BITS-1:0] beat;

    wire take = tvalid && tready;

    assign issue = take && beat == FINAL;
    assign last = tlast;
    assign torn = take && tlast && beat != FINAL;
    assign words[(BEATS-1)*DATA_BITS+:DATA_BITS] = tdata;

    always_ff @(posedge clk) begin
        if (rst || issue || torn) beat <= '0;
        else if (take) beat <= beat + 1'b1;
    end

    for (genvar b = 0; b < BEATS - 1; b++) begin : store
        logic [DATA_BITS-1:0] held;
        always_ff @(posedge clk) if (beat == BEAT_BITS'(b)) held <= tdata;
        assign words[b*DATA_BITS+:DATA_BITS] = held;
    end
endmodule
