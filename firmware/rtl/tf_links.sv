// Gathers the words of a bunch crossing from links that carry FRAMES frames of WIDTH bits a crossing; docs/links.md.
//
// Frames count from BC0, which all links must begin in the same clock; crossing 0 begins with it. A crossing's frames
// are valid on all links or on none. FRAMES clocks after its first frame, a crossing's words show for one clock, valid
// and bc0 with them: frame f of link l in words[(l*FRAMES+f)*WIDTH+:WIDTH].
//
// Frames whose meaning is in doubt are never valid. Links that disagree about BC0 unlock, until they agree on one.
// Links that disagree about valid, or change it within a crossing, make that crossing invalid. A BC0 within a crossing
// cuts it off. Each is an error in its clock; suspects are the links that have disagreed with link 0 then.
module tf_links #(
    parameter int LINKS = 2,
    parameter int FRAMES = 9,
    parameter int WIDTH = 64,
    parameter int ERROR_BITS = 32
) (
    input  logic                          clk,
    input  logic                          rst,
    input  logic [LINKS*WIDTH-1:0]        link_data,
    input  logic [LINKS-1:0]              link_valid,
    input  logic [LINKS-1:0]              link_bc0,
    input  logic                          link_lumi,
    output logic [LINKS*FRAMES*WIDTH-1:0] words,
    output logic                          valid,
    output logic                          bc0,
    output logic                          lumi,
    output logic                          locked,
    output logic [ERROR_BITS-1:0]         errors,
    output logic [LINKS-1:0]              suspects
);
    localparam int FRAME_BITS = FRAMES > 1 ? $clog2(FRAMES) : 1;
    localparam logic [FRAME_BITS-1:0] LAST = FRAME_BITS'(FRAMES - 1);

    logic [FRAME_BITS-1:0] last_frame;
    logic sound, has_valid, has_bc0, has_lumi;

    wire [LINKS-1:0] other_bc0 = link_bc0 ^ {LINKS{link_bc0[0]}};
    wire [LINKS-1:0] other_valid = link_valid ^ {LINKS{link_valid[0]}};
    wire torn = |other_bc0;
    wire start = &link_bc0;

    wire first = start || last_frame == LAST;
    wire [FRAME_BITS-1:0] frame = first ? '0 : last_frame + 1'b1;
    wire now_locked = start || (locked && !torn);
    wire now_valid = first ? link_valid[0] : has_valid;
    wire now_bc0 = first ? start : has_bc0;
    wire now_lumi = first ? start && link_lumi : has_lumi;

    wire differ = |other_valid || link_valid[0] != now_valid;
    wire held = first || sound;
    wire cut = locked && start && last_frame != LAST;
    wire doubt = now_locked && held && differ;
    wire complete = now_locked && frame == LAST;

    always_ff @(posedge clk) begin
        if (rst) begin
            {last_frame, sound, has_valid, has_bc0, has_lumi} <= '0;
            {valid, bc0, lumi, locked, errors, suspects} <= '0;
        end else begin
            last_frame <= frame;
            sound <= held && !differ;
            {has_valid, has_bc0, has_lumi} <= {now_valid, now_bc0, now_lumi};
            valid <= complete && held && !differ && now_valid;
            bc0 <= complete && now_bc0;
            lumi <= complete && now_lumi;
            locked <= now_locked;
            if ((torn || cut || doubt) && errors != '1) errors <= errors + 1'b1;
            suspects <= suspects | other_bc0 | (doubt ? other_valid : '0);
        end
    end

    for (genvar l = 0; l < LINKS; l++) begin : link
        for (genvar f = 0; f < FRAMES; f++) begin : store
            always_ff @(posedge clk)
                if (frame == FRAME_BITS'(f)) words[(l*FRAMES+f)*WIDTH+:WIDTH] <= link_data[l*WIDTH+:WIDTH];
        end
    end
endmodule
