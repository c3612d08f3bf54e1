// Candidate n + 1 after a restart passes if and only if floor((n + 1) S / P) > floor(n S / P), for every S and P, with
// n counted modulo P: both terms then lose the same S. All pass if S >= P > 0, none if P = 0. Of P candidates after a
// restart, and of the P after those, min(S, P) pass. The settings change only together with a restart.
module tf_prescale_property #(
    parameter int BITS = 3
) (
    input  logic            clk,
    input  logic            rst,
    input  logic            strobe,
    input  logic            restart,
    input  logic            candidate,
    input  logic [BITS-1:0] prescale,
    input  logic [BITS-1:0] step,
    output logic            broken
);
    wire bits;
    tf_prescale #(
        .N_ALGOS(1), .PRESCALE_BITS(BITS)
    ) dut (
        .clk, .rst, .strobe, .restart, .candidate, .prescale, .step, .bits
    );

    logic held = 1'b0, expected = 1'b0, whole_round = 1'b0;
    logic [BITS-1:0] old_prescale, old_step, n, passed, round_passed;
    wire [BITS-1:0] from_n = restart ? '0 : n;
    wire [BITS-1:0] from_passed = restart ? '0 : passed;
    wire [2*BITS:0] before = (2*BITS+1)'(from_n) * (2*BITS+1)'(step);
    wire [2*BITS:0] after = before + (2*BITS+1)'(step);
    wire some = prescale != '0;
    wire part = some && after / (2*BITS+1)'(prescale) > before / (2*BITS+1)'(prescale);
    wire passes = candidate && some && (step >= prescale || part);
    wire last = candidate && some && from_n == prescale - 1'b1;
    wire allowed = restart || (prescale == old_prescale && step == old_step);

    always_ff @(posedge clk) begin
        if (rst) begin
            // from a reset on, until the settings are once changed without a restart
            {held, expected, whole_round} <= {1'b1, 1'b0, 1'b0};
            {n, passed} <= '0;
            {old_prescale, old_step} <= {prescale, step};
        end else if (strobe) begin
            held <= held && allowed;
            expected <= passes;
            {old_prescale, old_step} <= {prescale, step};
            n <= last ? '0 : from_n + BITS'(candidate && some);
            passed <= last ? '0 : from_passed + BITS'(passes);
            whole_round <= last;
            round_passed <= from_passed + BITS'(passes);
        end else begin
            whole_round <= 1'b0;
        end
    end
    wire [BITS-1:0] share = old_step < old_prescale ? old_step : old_prescale;
    assign broken = held && (bits != expected || (whole_round && round_passed != share));
endmodule
