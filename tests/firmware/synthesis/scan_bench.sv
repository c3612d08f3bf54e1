// Shifts a word in, captures it on the other side and shifts it out again, while the first chain stands still.
module scan_bench;
    localparam int BITS = 7;
    localparam [BITS-1:0] WORD = 7'b1011001;
    logic clk = 0, shift = 0, capture = 0, serial_in = 0;
    logic serial_out;
    logic [BITS-1:0] parallel, seen;

    tf_scan_in #(.BITS(BITS)) scan_in (.clk, .shift, .serial(serial_in), .parallel);
    tf_scan_out #(.BITS(BITS)) scan_out (.clk, .capture, .parallel, .serial(serial_out));

    task tick;
        begin
            #1 clk = 1;
            #1 clk = 0;
        end
    endtask

    initial begin
        shift = 1;
        for (int i = BITS - 1; i >= 0; i--) begin
            serial_in = WORD[i];
            tick();
        end
        shift = 0;
        serial_in = 1;
        capture = 1;
        tick();
        capture = 0;
        for (int i = BITS - 1; i >= 0; i--) begin
            seen[i] = serial_out;
            tick();
        end
        $display("%b %b %b", WORD, parallel, seen);
        $finish;
    end
endmodule
