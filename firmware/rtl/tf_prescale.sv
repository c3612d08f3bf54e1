// Rational counting prescale, one clock: of PRESCALE candidates STEP pass, as evenly as integers allow.
//
// Candidate n after a restart passes if and only if floor(n * STEP / PRESCALE) > floor((n - 1) * STEP / PRESCALE).
// PRESCALE = 0 lets none pass, STEP >= PRESCALE > 0 all. Settings must not change without a restart.
module tf_prescale #(
    parameter int N_ALGOS = 1,
    parameter int PRESCALE_BITS = 24
) (
    input  logic                             clk,
    input  logic                             rst,
    input  logic                             strobe,
    input  logic                             restart,
    input  logic [N_ALGOS-1:0]               candidate,
    input  logic [N_ALGOS*PRESCALE_BITS-1:0] prescale,
    input  logic [N_ALGOS*PRESCALE_BITS-1:0] step,
    output logic [N_ALGOS-1:0]               bits
);
    for (genvar i = 0; i < N_ALGOS; i++) begin : algo
        logic [PRESCALE_BITS-1:0] count;
        wire [PRESCALE_BITS:0] whole = {1'b0, prescale[i*PRESCALE_BITS+:PRESCALE_BITS]};
        wire [PRESCALE_BITS:0] part = {1'b0, step[i*PRESCALE_BITS+:PRESCALE_BITS]};
        wire [PRESCALE_BITS-1:0] held = restart ? '0 : count;
        wire [PRESCALE_BITS:0] sum = {1'b0, held} + part;
        wire full = sum >= whole;
        wire [PRESCALE_BITS-1:0] rest = part >= whole ? '0 : PRESCALE_BITS'(full ? sum - whole : sum);
        always_ff @(posedge clk) begin
            if (rst) begin
                count <= '0;
                bits[i] <= 1'b0;
            end else if (strobe) begin
                count <= candidate[i] ? rest : held;
                bits[i] <= candidate[i] && full && whole != '0;
            end
        end
    end
endmodule
