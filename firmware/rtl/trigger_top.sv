// A trigger around a core that takes one event a clock: thresholds, prescales, rates and settings; docs/trigger_top.md.
//
// in_* belong to the words that the core is given in the same clock; its scores come out, side by side, LATENCY clocks
// later, and algorithm i compares the ALGO_WIDTH[i] bits from bit ALGO_FIRST[i] on.
// LATENCY + 2 clocks after in_*, out_strobe is high for one clock; the other outputs then hold until the next crossing.
module trigger_top #(
    parameter int LATENCY = 2,
    parameter int N_ALGOS = 1,
    parameter int SCORE_BITS = 16,
    parameter logic [16*N_ALGOS-1:0] ALGO_FIRST = '0,
    parameter logic [8*N_ALGOS-1:0] ALGO_WIDTH = {N_ALGOS{8'(SCORE_BITS)}},
    parameter logic [N_ALGOS-1:0] ALGO_SIGNED = '1,
    parameter int ORBIT = 3564,
    parameter int CLOCKS_PER_BX = 1,
    parameter int PRESCALE_BITS = 24,
    parameter logic [31:0] IDENTITY = 32'd0,
    parameter int BX_BITS = $clog2(ORBIT)
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  in_bc0,
    input  logic                  in_lumi,
    input  logic                  in_valid,
    input  logic [SCORE_BITS-1:0] score,
    input  logic [11:0]           bus_addr,
    input  logic                  bus_write,
    input  logic [31:0]           bus_wdata,
    output logic [31:0]           bus_rdata,
    output logic                  out_strobe,
    output logic                  out_valid,
    output logic [BX_BITS-1:0]    out_bx,
    output logic [SCORE_BITS-1:0] out_score,
    output logic [N_ALGOS-1:0]    out_raw,
    output logic [N_ALGOS-1:0]    out_bits,
    output logic                  out_accept
);
    localparam logic [31:0] SHAPE = {8'(N_ALGOS), 8'(LATENCY), 16'(CLOCKS_PER_BX)};

    wire strobe, valid, orbit, lumi, next_orbit, next_lumi, locked, sync_error, loaded;
    wire [BX_BITS-1:0] bx;
    wire [N_ALGOS-1:0] enable, candidates;
    wire [N_ALGOS*PRESCALE_BITS-1:0] prescale, step;
    wire [31:0] sections, orbits, crossings;
    wire [32*N_ALGOS-1:0] threshold, rate_raw, rate_passed;

    tf_align #(
        .LATENCY(LATENCY), .ORBIT(ORBIT), .CLOCKS_PER_BX(CLOCKS_PER_BX), .BX_BITS(BX_BITS)
    ) align (
        .clk, .rst, .in_bc0, .in_lumi, .in_valid, .strobe, .valid, .orbit, .lumi, .bx, .next_orbit, .next_lumi,
        .locked, .sync_error
    );

    tf_registers #(
        .N_ALGOS(N_ALGOS), .ALGO_FIRST(ALGO_FIRST), .ALGO_WIDTH(ALGO_WIDTH), .ALGO_SIGNED(ALGO_SIGNED),
        .PRESCALE_BITS(PRESCALE_BITS), .IDENTITY(IDENTITY), .SHAPE(SHAPE)
    ) registers (
        .clk, .rst, .bus_addr, .bus_write, .bus_wdata, .bus_rdata, .next_orbit, .next_lumi, .loaded,
        .enable, .threshold, .prescale, .step, .locked, .sync_error, .sections, .orbits, .crossings,
        .rate_raw, .rate_passed
    );

    tf_threshold #(
        .N_ALGOS(N_ALGOS), .SCORE_BITS(SCORE_BITS), .ALGO_FIRST(ALGO_FIRST), .ALGO_WIDTH(ALGO_WIDTH),
        .ALGO_SIGNED(ALGO_SIGNED)
    ) thresholds (
        .clk, .rst, .strobe, .valid, .score, .enable, .threshold, .bits(candidates)
    );

    // what belongs to a crossing goes along with it; so do the prescales, which its successor may have others of
    logic strobe_1, valid_1, orbit_1, lumi_1, restart_1, orbit_2, lumi_2;
    logic [BX_BITS-1:0] bx_1;
    logic [SCORE_BITS-1:0] score_1;
    logic [N_ALGOS*PRESCALE_BITS-1:0] prescale_1, step_1;

    always_ff @(posedge clk) begin
        if (rst) begin
            {strobe_1, valid_1, orbit_1, lumi_1, restart_1} <= '0;
            {out_strobe, out_valid, orbit_2, lumi_2} <= '0;
            {bx_1, score_1, prescale_1, step_1, out_bx, out_score, out_raw} <= '0;
        end else begin
            strobe_1 <= strobe;
            out_strobe <= strobe_1;
            if (strobe) begin
                {valid_1, orbit_1, lumi_1, restart_1} <= {valid, orbit, lumi, lumi || loaded};
                {bx_1, prescale_1, step_1} <= {bx, prescale, step};
                score_1 <= valid ? score : '0;
            end
            if (strobe_1) begin
                {out_valid, orbit_2, lumi_2} <= {valid_1, orbit_1, lumi_1};
                {out_bx, out_score, out_raw} <= {bx_1, score_1, candidates};
            end
        end
    end

    tf_prescale #(
        .N_ALGOS(N_ALGOS), .PRESCALE_BITS(PRESCALE_BITS)
    ) prescales (
        .clk, .rst, .strobe(strobe_1), .restart(restart_1), .candidate(candidates), .prescale(prescale_1),
        .step(step_1), .bits(out_bits)
    );

    tf_rates #(
        .N_ALGOS(N_ALGOS)
    ) rates (
        .clk, .rst, .strobe(out_strobe), .valid(out_valid), .orbit(orbit_2), .lumi(lumi_2), .raw(out_raw),
        .passed(out_bits), .sections, .orbits, .crossings, .rate_raw, .rate_passed
    );

    assign out_accept = |out_bits;
endmodule
