// Sends a bunch crossing's results on links that carry FRAMES frames of WIDTH bits a crossing; docs/links.md.
//
// strobe marks the first clock of a crossing's words, which must hold until the next strobe: frame f of link l in
// words[(l*FRAMES+f)*WIDTH+:WIDTH]. Frame 0 is on the links in the next clock. A strobe within a crossing cuts it off;
// if the next strobe is late the links carry zeros that are not valid.
module tf_links_tx #(
    parameter int LINKS = 1,
    parameter int FRAMES = 9,
    parameter int WIDTH = 64
) (
    input  logic                          clk,
    input  logic                          rst,
    input  logic                          strobe,
    input  logic                          valid,
    input  logic                          bc0,
    input  logic [LINKS*FRAMES*WIDTH-1:0] words,
    output logic [LINKS*WIDTH-1:0]        link_data,
    output logic [LINKS-1:0]              link_valid,
    output logic [LINKS-1:0]              link_bc0
);
    localparam int FRAME_BITS = FRAMES > 1 ? $clog2(FRAMES) : 1;
    localparam logic [FRAME_BITS-1:0] LAST = FRAME_BITS'(FRAMES - 1);

    logic [FRAME_BITS-1:0] last_frame;
    logic busy;

    wire sends = strobe || busy;
    wire [FRAME_BITS-1:0] frame = strobe ? '0 : last_frame + 1'b1;

    always_ff @(posedge clk) begin
        if (rst) begin
            {last_frame, busy, link_valid, link_bc0} <= '0;
        end else begin
            last_frame <= frame;
            busy <= sends && frame != LAST;
            link_valid <= {LINKS{sends && valid}};
            link_bc0 <= {LINKS{strobe && bc0}};
        end
    end

    for (genvar l = 0; l < LINKS; l++) begin : link
        wire [FRAMES*WIDTH-1:0] own = words[l*FRAMES*WIDTH+:FRAMES*WIDTH];
        always_ff @(posedge clk) link_data[l*WIDTH+:WIDTH] <= !rst && sends ? own[frame*WIDTH+:WIDTH] : '0;
    end
endmodule
