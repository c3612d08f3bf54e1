// Queues up to DEPTH events and sends each in BEATS beats of an AXI4-Stream, the lowest bits first; docs/links.md.
//
// An event is pushed only if there is room for it, which is the pusher's business: pop tells that it left the queue for
// the register that is sent from. The last beat of an event has the TLAST that was pushed with it.
module tf_axis_out #(
    parameter int WORDS_BITS = 64,
    parameter int DATA_BITS = 64,
    parameter int DEPTH = 16,
    parameter int BEATS = (WORDS_BITS + DATA_BITS - 1) / DATA_BITS
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic                  push,
    input  logic                  last,
    input  logic [WORDS_BITS-1:0] words,
    output logic                  pop,
    output logic                  tvalid,
    input  logic                  tready,
    output logic [DATA_BITS-1:0]  tdata,
    output logic                  tlast
);
    localparam int PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam int COUNT_BITS = $clog2(DEPTH + 1);
    localparam int BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
    localparam logic [PLACE_BITS-1:0] FINAL_PLACE = PLACE_BITS'(DEPTH - 1);
    localparam logic [BEAT_BITS-1:0] FINAL_BEAT = BEAT_BITS'(BEATS - 1);

    logic [WORDS_BITS:0] queue[DEPTH];
    logic [PLACE_BITS-1:0] head, tail;
    logic [COUNT_BITS-1:0] count;

    // the event that is being sent, its current beat in the lowest bits
    logic [BEATS*DATA_BITS-1:0] sending;
    logic [BEAT_BITS-1:0] beat;
    logic ends_packet;

    wire sent = tvalid && tready;
    wire [WORDS_BITS:0] front = queue[head];

    assign pop = count != '0 && (!tvalid || (sent && beat == FINAL_BEAT));
    assign tdata = sending[DATA_BITS-1:0];
    assign tlast = ends_packet && beat == FINAL_BEAT;

    always_ff @(posedge clk) if (push) queue[tail] <= {last, words};

    always_ff @(posedge clk) begin
        if (rst) begin
            {head, tail, count, tvalid, beat} <= '0;
        end else begin
            if (push) tail <= tail == FINAL_PLACE ? '0 : tail + 1'b1;
            if (pop) head <= head == FINAL_PLACE ? '0 : head + 1'b1;
            count <= count + COUNT_BITS'(push) - COUNT_BITS'(pop);
            tvalid <= pop || (tvalid && !(sent && beat == FINAL_BEAT));
            if (sent) beat <= beat == FINAL_BEAT ? '0 : beat + 1'b1;
        end
    end

    always_ff @(posedge clk) begin
        if (pop) {ends_packet, sending} <= {front[WORDS_BITS], (BEATS*DATA_BITS)'(front[WORDS_BITS-1:0])};
        else if (sent) sending <= sending >> DATA_BITS;
    end
endmodule
