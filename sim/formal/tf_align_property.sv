// What tf_align passes on is what came in LATENCY clocks before, at its place in the orbit, which one counter of clocks
// since BC0 tells here; nothing is passed on between a reset and the first BC0 after it.
module tf_align_property #(
    parameter int LATENCY = 3,
    parameter int ORBIT = 5,
    parameter int CLOCKS_PER_BX = 2,
    parameter int BX_BITS = $clog2(ORBIT)
) (
    input  logic clk,
    input  logic rst,
    input  logic in_bc0,
    input  logic in_lumi,
    input  logic in_valid,
    output logic broken
);
    wire strobe, valid, orbit, lumi, next_orbit, next_lumi, locked, sync_error;
    wire [BX_BITS-1:0] bx;
    tf_align #(
        .LATENCY(LATENCY), .ORBIT(ORBIT), .CLOCKS_PER_BX(CLOCKS_PER_BX)
    ) dut (
        .clk, .rst, .in_bc0, .in_lumi, .in_valid, .strobe, .valid, .orbit, .lumi, .bx, .next_orbit, .next_lumi,
        .locked, .sync_error
    );

    localparam int CLOCKS = ORBIT * CLOCKS_PER_BX;
    localparam int BITS = $clog2(CLOCKS + 1);
    logic [BITS-1:0] last_time;
    logic running = 1'b0, known = 1'b0, wrong_bc0 = 1'b0, promised = 1'b0, promised_orbit, promised_lumi;
    wire due = last_time == BITS'(CLOCKS - 1);
    wire [BITS-1:0] now_time = in_bc0 || due ? '0 : last_time + 1'b1;
    wire now_running = running || in_bc0;

    // of every clock: running, time in the orbit, words valid, luminosity section begins
    logic [LATENCY-1:0] was_running = '0, was_valid, was_lumi;
    logic [LATENCY*BITS-1:0] times;
    always_ff @(posedge clk) begin
        if (rst) begin
            known <= 1'b1;
            {running, wrong_bc0, promised} <= '0;
            last_time <= '0;
            was_running <= '0;
        end else begin
            running <= now_running;
            wrong_bc0 <= running && in_bc0 != due;
            last_time <= now_time;
            was_running <= LATENCY'({was_running, now_running});
            promised <= 1'b1;
        end
        was_valid <= LATENCY'({was_valid, in_valid});
        was_lumi <= LATENCY'({was_lumi, in_bc0 && in_lumi});
        times <= (LATENCY*BITS)'({times, now_time});
        {promised_orbit, promised_lumi} <= {next_orbit, next_lumi};
    end

    wire out_running = was_running[LATENCY-1];
    wire [BITS-1:0] out_time = times[LATENCY*BITS-1-:BITS];
    wire begins = out_running && out_time % BITS'(CLOCKS_PER_BX) == '0;
    wire [BITS-1:0] number = out_time / BITS'(CLOCKS_PER_BX);

    wire right_flags = strobe == begins && valid == (begins && was_valid[LATENCY-1]) &&
        orbit == (begins && number == '0) && lumi == (out_running && was_lumi[LATENCY-1]);
    wire right_number = !begins || (BITS'(bx) == number && 32'(bx) < ORBIT);
    wire right_promise = !promised || (promised_orbit == orbit && promised_lumi == lumi);
    wire right_lock = locked == running && sync_error == wrong_bc0;
    assign broken = known && !(right_flags && right_number && right_promise && right_lock);
endmodule
