// Counts, over a luminosity section, crossings, orbits and every algorithm's bits before and after its prescale.
//
// The crossing that begins a section latches the counts of the one before it and is the first of the next. The section
// from the reset to the first lumi is number 0. Counters are 32 bits wide: a section has less than 2**20 orbits.
module tf_rates #(
    parameter int N_ALGOS = 1
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  strobe,
    input  logic                  valid,
    input  logic                  orbit,
    input  logic                  lumi,
    input  logic [N_ALGOS-1:0]    raw,
    input  logic [N_ALGOS-1:0]    passed,
    output logic [31:0]           sections,
    output logic [31:0]           orbits,
    output logic [31:0]           crossings,
    output logic [32*N_ALGOS-1:0] rate_raw,
    output logic [32*N_ALGOS-1:0] rate_passed
);
    localparam int COUNTS = 2 * N_ALGOS + 2;

    wire [COUNTS-1:0] events = {passed, raw, valid, orbit};
    logic [32*COUNTS-1:0] latched;

    for (genvar i = 0; i < COUNTS; i++) begin : counts
        logic [31:0] running;
        always_ff @(posedge clk) begin
            if (rst) begin
                running <= '0;
                latched[32*i+:32] <= '0;
            end else if (strobe) begin
                running <= (lumi ? 32'd0 : running) + 32'(events[i]);
                if (lumi) latched[32*i+:32] <= running;
            end
        end
    end

    always_ff @(posedge clk) begin
        if (rst) sections <= '0;
        else if (strobe && lumi) sections <= sections + 32'd1;
    end

    assign {rate_passed, rate_raw, crossings, orbits} = latched;
endmodule
