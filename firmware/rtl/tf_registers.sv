// Settings behind a synchronous bus; docs/trigger_top.md has the register map.
//
// The bus writes to shadow registers. COMMIT arms them; the beginning of the next orbit (bit 0) or luminosity section
// (bit 1) makes all of them active at once. Writing a setting disarms, so that no half-written set becomes active.
module tf_registers #(
    parameter int N_ALGOS = 1,
    parameter logic [16*N_ALGOS-1:0] ALGO_FIRST = '0,
    parameter logic [8*N_ALGOS-1:0] ALGO_WIDTH = {N_ALGOS{8'd16}},
    parameter logic [N_ALGOS-1:0] ALGO_SIGNED = '1,
    parameter int PRESCALE_BITS = 24,
    parameter logic [31:0] IDENTITY = 32'd0,
    parameter logic [31:0] SHAPE = 32'd0
) (
    input  logic                             clk,
    input  logic                             rst,
    input  logic [11:0]                      bus_addr,
    input  logic                             bus_write,
    input  logic [31:0]                      bus_wdata,
    output logic [31:0]                      bus_rdata,
    input  logic                             next_orbit,
    input  logic                             next_lumi,
    output logic                             loaded,
    output logic [N_ALGOS-1:0]               enable,
    output logic [32*N_ALGOS-1:0]            threshold,
    output logic [N_ALGOS*PRESCALE_BITS-1:0] prescale,
    output logic [N_ALGOS*PRESCALE_BITS-1:0] step,
    input  logic                             locked,
    input  logic                             sync_error,
    input  logic [31:0]                      sections,
    input  logic [31:0]                      orbits,
    input  logic [31:0]                      crossings,
    input  logic [32*N_ALGOS-1:0]            rate_raw,
    input  logic [32*N_ALGOS-1:0]            rate_passed
);
    localparam logic [31:0] MAGIC = 32'h54464732;
    localparam logic [1:0] CONTROL = 2'd0, SHADOW = 2'd1, ACTIVE = 2'd2;
    localparam logic [2:0] ENABLE = 3'd0, THRESHOLD = 3'd1, PRESCALE = 3'd2, STEP = 3'd3, RAW = 3'd4, PASSED = 3'd5,
        SCORE = 3'd6;

    wire [1:0] region = bus_addr[11:10];
    wire [6:0] algo_index = bus_addr[9:3];
    wire [2:0] field = bus_addr[2:0];
    wire write_setting = bus_write && region == SHADOW;
    wire write_commit = bus_write && bus_addr == 12'h003;

    wire unused = &bus_wdata;  // a setting takes as many of its bits as it has

    logic [1:0] armed;
    wire load = (armed[0] && next_orbit) || (armed[1] && next_lumi);

    logic [31:0] sync_errors;

    always_ff @(posedge clk) begin
        if (rst) begin
            armed <= '0;
            loaded <= 1'b0;
            sync_errors <= '0;
        end else begin
            if (write_commit) armed <= bus_wdata[1:0];
            else if (load || write_setting) armed <= '0;
            loaded <= load;
            if (sync_error && sync_errors != '1) sync_errors <= sync_errors + 32'd1;
        end
    end

    wire [32*N_ALGOS-1:0] words;

    for (genvar i = 0; i < N_ALGOS; i++) begin : algo
        localparam int BITS = int'(ALGO_WIDTH[8*i+:8]);
        localparam logic [31:0] SIGN = 32'(ALGO_SIGNED[i]) << (BITS - 1);

        logic shadow_enable;
        logic [BITS-1:0] shadow_threshold, active_threshold;
        logic [PRESCALE_BITS-1:0] shadow_prescale, shadow_step;
        wire write = write_setting && algo_index == 7'(i);

        always_ff @(posedge clk) begin
            if (rst) begin
                shadow_enable <= 1'b0;
                shadow_threshold <= '0;
                shadow_prescale <= '0;
                shadow_step <= '0;
            end else begin
                if (write && field == ENABLE) shadow_enable <= bus_wdata[0];
                if (write && field == THRESHOLD) shadow_threshold <= bus_wdata[BITS-1:0];
                if (write && field == PRESCALE) shadow_prescale <= bus_wdata[PRESCALE_BITS-1:0];
                if (write && field == STEP) shadow_step <= bus_wdata[PRESCALE_BITS-1:0];
            end
        end

        always_ff @(posedge clk) begin
            if (rst) begin
                enable[i] <= 1'b0;
                active_threshold <= '0;
                prescale[i*PRESCALE_BITS+:PRESCALE_BITS] <= '0;
                step[i*PRESCALE_BITS+:PRESCALE_BITS] <= '0;
            end else if (load) begin
                enable[i] <= shadow_enable;
                active_threshold <= shadow_threshold;
                prescale[i*PRESCALE_BITS+:PRESCALE_BITS] <= shadow_prescale;
                step[i*PRESCALE_BITS+:PRESCALE_BITS] <= shadow_step;
            end
        end

        wire shows_shadow = region == SHADOW;
        wire [BITS-1:0] limit = shows_shadow ? shadow_threshold : active_threshold;
        assign threshold[32*i+:32] = 32'(active_threshold);
        assign words[32*i+:32] =
            field == ENABLE ? 32'(shows_shadow ? shadow_enable : enable[i]) :
            field == THRESHOLD ? (32'(limit) ^ SIGN) - SIGN :
            field == PRESCALE ? 32'(shows_shadow ? shadow_prescale : prescale[i*PRESCALE_BITS+:PRESCALE_BITS]) :
            field == STEP ? 32'(shows_shadow ? shadow_step : step[i*PRESCALE_BITS+:PRESCALE_BITS]) :
            field == RAW ? rate_raw[32*i+:32] :
            field == PASSED ? rate_passed[32*i+:32] :
            field == SCORE ? {7'd0, ALGO_SIGNED[i], ALGO_WIDTH[8*i+:8], ALGO_FIRST[16*i+:16]} : 32'd0;
    end

    always_ff @(posedge clk) begin
        if (rst) bus_rdata <= '0;
        else if (region == SHADOW || region == ACTIVE) bus_rdata <= 32'(words >> {algo_index, 5'd0});
        else if (region != CONTROL) bus_rdata <= '0;
        else
            case (bus_addr[9:0])
                10'h000: bus_rdata <= MAGIC;
                10'h001: bus_rdata <= IDENTITY;
                10'h002: bus_rdata <= SHAPE;
                10'h003: bus_rdata <= 32'(armed);
                10'h004: bus_rdata <= 32'(locked);
                10'h005: bus_rdata <= sync_errors;
                10'h006: bus_rdata <= sections;
                10'h007: bus_rdata <= orbits;
                10'h008: bus_rdata <= crossings;
                default: bus_rdata <= '0;
            endcase
    end
endmodule
