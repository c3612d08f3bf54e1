// Numbers the bunch crossings and delays what belongs to each by LATENCY clocks, the core's latency.
//
// A crossing begins at BC0 and every CLOCKS_PER_BX clocks after it; only its first clock is looked at. BC0 makes its
// crossing number 0, whatever the counter says. Nothing is passed on before the first BC0 after a reset. A BC0 that
// comes early, or does not come after ORBIT crossings (the counter then wraps by itself), is a sync_error.
module tf_align #(
    parameter int LATENCY = 2,
    parameter int ORBIT = 3564,
    parameter int CLOCKS_PER_BX = 1,
    parameter int BX_BITS = $clog2(ORBIT)
) (
    input  logic               clk,
    input  logic               rst,
    input  logic               in_bc0,
    input  logic               in_lumi,
    input  logic               in_valid,
    output logic               strobe,
    output logic               valid,
    output logic               orbit,
    output logic               lumi,
    output logic [BX_BITS-1:0] bx,
    output logic               next_orbit,
    output logic               next_lumi,
    output logic               locked,
    output logic               sync_error
);
    localparam int PHASE_BITS = CLOCKS_PER_BX > 1 ? $clog2(CLOCKS_PER_BX) : 1;
    localparam logic [PHASE_BITS-1:0] LAST_PHASE = PHASE_BITS'(CLOCKS_PER_BX - 1);
    localparam logic [BX_BITS-1:0] LAST_BX = BX_BITS'(ORBIT - 1);

    logic [PHASE_BITS-1:0] last_phase;
    logic [BX_BITS-1:0] last_bx;

    wire begins = in_bc0 || last_phase == LAST_PHASE;
    wire due = last_phase == LAST_PHASE && last_bx == LAST_BX;
    wire [BX_BITS-1:0] now_bx = in_bc0 || due ? '0 : last_bx + 1'b1;

    always_ff @(posedge clk) begin
        if (rst) begin
            locked <= 1'b0;
            sync_error <= 1'b0;
            last_phase <= '0;
            last_bx <= '0;
        end else begin
            locked <= locked || in_bc0;
            sync_error <= locked && in_bc0 != due;
            last_phase <= begins ? '0 : last_phase + 1'b1;
            if (begins) last_bx <= now_bx;
        end
    end

    wire now_strobe = begins && (locked || in_bc0);
    wire now_orbit = now_strobe && now_bx == '0;
    wire [3:0] now = {now_strobe, now_strobe && in_valid, now_orbit, in_bc0 && in_lumi};

    // LATENCY registers behind the values of this clock, the oldest in the highest bits
    logic [4*LATENCY-1:0] flags;
    logic [BX_BITS*LATENCY-1:0] numbers;
    wire [4*LATENCY+3:0] all_flags = {flags, now};
    wire [BX_BITS*(LATENCY+1)-1:0] all_numbers = {numbers, now_bx};

    always_ff @(posedge clk) begin
        flags <= rst ? '0 : all_flags[4*LATENCY-1:0];
        numbers <= all_numbers[BX_BITS*LATENCY-1:0];
    end

    assign {strobe, valid, orbit, lumi} = all_flags[4*LATENCY+:4];
    assign {next_orbit, next_lumi} = all_flags[4*LATENCY-4+:2];
    assign bx = all_numbers[BX_BITS*LATENCY+:BX_BITS];
endmodule
