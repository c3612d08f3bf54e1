// A pipeline without enable between two AXI4-Streams: words come back as results LATENCY clocks later; docs/links.md.
//
// An event is issued only if there is room for its results in the queue behind the pipeline, so that none is lost
// however long the receiver waits. DEPTH >= LATENCY + 2 takes an event a clock if the receiver does. All outputs of the
// streams come from registers. aresetn is synchronous; events that are under way are dropped by it.
module tf_axis #(
    parameter int LATENCY = 2,
    parameter int WORDS_BITS = 64,
    parameter int RESULTS_BITS = 32,
    parameter int S_DATA_BITS = 64,
    parameter int M_DATA_BITS = 32,
    parameter int DEPTH = LATENCY + 2,
    parameter int ERROR_BITS = 32
) (
    input  logic                    aclk,
    input  logic                    aresetn,
    input  logic                    s_axis_tvalid,
    output logic                    s_axis_tready,
    input  logic [S_DATA_BITS-1:0]  s_axis_tdata,
    input  logic                    s_axis_tlast,
    output logic                    m_axis_tvalid,
    input  logic                    m_axis_tready,
    output logic [M_DATA_BITS-1:0]  m_axis_tdata,
    output logic                    m_axis_tlast,
    output logic [WORDS_BITS-1:0]   words,
    input  logic [RESULTS_BITS-1:0] results,
    output logic [ERROR_BITS-1:0]   torn_packets
);
    localparam int BEATS = (WORDS_BITS + S_DATA_BITS - 1) / S_DATA_BITS;
    localparam int COUNT_BITS = $clog2(DEPTH + 1);

    wire rst = !aresetn;
    wire issue, last, torn, pop;
    wire [BEATS*S_DATA_BITS-1:0] event_bits;
    wire unused = &event_bits;  // the last beat may have more bits than the event

    assign words = event_bits[WORDS_BITS-1:0];

    tf_axis_in #(
        .DATA_BITS(S_DATA_BITS), .BEATS(BEATS)
    ) gatherer (
        .clk(aclk), .rst, .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tdata(s_axis_tdata), .tlast(s_axis_tlast),
        .issue, .last, .torn, .words(event_bits)
    );

    // events in the pipeline and in the queue
    logic [COUNT_BITS-1:0] owed;
    wire [COUNT_BITS-1:0] next_owed = owed + COUNT_BITS'(issue) - COUNT_BITS'(pop);

    // LATENCY registers, the oldest in the highest bits
    logic [LATENCY-1:0] full, ends;
    wire [LATENCY:0] all_full = {full, issue};
    wire [LATENCY:0] all_ends = {ends, last};

    always_ff @(posedge aclk) begin
        if (rst) begin
            {owed, s_axis_tready, full, torn_packets} <= '0;
        end else begin
            owed <= next_owed;
            s_axis_tready <= next_owed != COUNT_BITS'(DEPTH);
            full <= all_full[LATENCY-1:0];
            if (torn && torn_packets != '1) torn_packets <= torn_packets + 1'b1;
        end
        ends <= all_ends[LATENCY-1:0];
    end

    tf_axis_out #(
        .WORDS_BITS(RESULTS_BITS), .DATA_BITS(M_DATA_BITS), .DEPTH(DEPTH)
    ) sender (
        .clk(aclk), .rst, .push(all_full[LATENCY]), .last(all_ends[LATENCY]), .words(results), .pop,
        .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tdata(m_axis_tdata), .tlast(m_axis_tlast)
    );
endmodule
