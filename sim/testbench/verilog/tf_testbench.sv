// Plays events into a pipelined core, one a clock, and compares every bit of its output LATENCY clocks later.
//
// Both files begin with a line of three numbers, how many events, how many bits an event, and (hexadecimal) an
// identity that they share; then comes one hexadecimal word an event, the first word of a port in its lowest bits.
// Ends with the line "PASS n events", or with the first difference, a line "FAIL ..." and $fatal. A bit that is
// neither 0 nor 1 is a difference.
module tf_testbench #(
    parameter int INPUT_BITS = 8,
    parameter int OUTPUT_BITS = 8,
    parameter int WORDS = 1,
    parameter logic [16*WORDS-1:0] WIDTHS = (16 * WORDS)'(OUTPUT_BITS),  // of the output's words, the first lowest
    parameter int LATENCY = 1,
    parameter real HALF_PERIOD = 1.0,  // in the simulator's time unit
    parameter STIMULUS = "vectors/stimulus.hex",
    parameter EXPECTED = "vectors/expected.hex"
) (
    output logic                   clk,
    output logic [ INPUT_BITS-1:0] given,
    input  wire  [OUTPUT_BITS-1:0] seen
);
    localparam int INPUT_DIGITS = (INPUT_BITS + 3) / 4;
    localparam int OUTPUT_DIGITS = (OUTPUT_BITS + 3) / 4;
    localparam int DIGITS = INPUT_DIGITS > OUTPUT_DIGITS ? INPUT_DIGITS : OUTPUT_DIGITS;

    logic [8*DIGITS+7:0] text;  // one character more than a word has, so that one that is too long shows
    logic [4*DIGITS-1:0] number;
    logic readable, failed;

    task automatic unusable(input string why);
        $display("%s", why);
        $display("FAIL vectors");
        failed = 1'b1;  // a simulator may go on to the end of the time step
        $fatal(1, "the vectors cannot be used");
    endtask

    // The next word of a file in `number`; x, z and a wrong number of digits are errors that a format %h would hide.
    task automatic read_word(input int file, input int digits, input int bits);
        logic [7:0] character;
        number = '0;
        text = '0;
        readable = $fscanf(file, "%s", text) == 1 && (text >> (8 * digits)) == 0;
        for (int i = 0; i < digits; i++) begin
            character = text[8*i+:8];
            if (character >= "0" && character <= "9") number[4*i+:4] = character[3:0];
            else if (character >= "a" && character <= "f") number[4*i+:4] = character[3:0] + 4'd9;
            else readable = 1'b0;
        end
        readable = readable && (number >> bits) == 0;
    endtask

    task automatic show_difference(input int event_number);
        int word, first, width, position;
        logic [63:0] wanted, got;
        position = 0;
        while (seen[position] === number[position]) position = position + 1;
        word = 0;
        first = 0;
        while (position >= first + int'(WIDTHS[16*word+:16])) begin
            first = first + int'(WIDTHS[16*word+:16]);
            word  = word + 1;
        end
        width  = int'(WIDTHS[16*word+:16]);
        wanted = '0;
        got    = '0;
        for (int k = 0; k < width; k++) begin
            wanted[6'(k)] = number[first+k];
            got[6'(k)]    = seen[first+k];
        end
        $display("event %0d, word %0d, bit %0d: expected %b, got %b (word 0x%0h, got 0x%0h)", event_number, word,
                 position - first, number[position], seen[position], wanted, got);
    endtask

    initial begin : play
        int stimulus, expected, events, other_events, bits, other_bits, bad_events;
        logic [31:0] identity, other_identity;
        failed     = 1'b0;
        bad_events = 0;
        stimulus   = $fopen(STIMULUS, "r");
        expected   = $fopen(EXPECTED, "r");
        if (stimulus == 0 || expected == 0)
            unusable($sformatf("%s and %s must be there to be read", STIMULUS, EXPECTED));
        if ($fscanf(stimulus, "%d %d %h", events, bits, identity) != 3
            || $fscanf(expected, "%d %d %h", other_events, other_bits, other_identity) != 3
            || bits != INPUT_BITS || other_bits != OUTPUT_BITS || events != other_events || events < 1
            || identity != other_identity)
            unusable($sformatf("%s and %s must have %0d and %0d bits, the same events and the same identity",
                               STIMULUS, EXPECTED, INPUT_BITS, OUTPUT_BITS));
        for (int step = 0; step < events + LATENCY; step++) begin
            @(negedge clk);
            if (step >= LATENCY) begin
                read_word(expected, OUTPUT_DIGITS, OUTPUT_BITS);
                if (!readable)
                    unusable($sformatf("%s must have %0d hexadecimal digits at event %0d", EXPECTED, OUTPUT_DIGITS,
                                       step - LATENCY));
                if (seen !== number[OUTPUT_BITS-1:0]) begin
                    if (bad_events == 0) show_difference(step - LATENCY);
                    bad_events = bad_events + 1;
                end
            end
            if (step < events) begin
                read_word(stimulus, INPUT_DIGITS, INPUT_BITS);
                if (!readable)
                    unusable($sformatf("%s must have %0d hexadecimal digits at event %0d", STIMULUS, INPUT_DIGITS,
                                       step));
                given = number[INPUT_BITS-1:0];
            end
        end
        if ($fscanf(stimulus, "%s", text) == 1 || $fscanf(expected, "%s", text) == 1)
            unusable($sformatf("%s and %s must end after %0d events", STIMULUS, EXPECTED, events));
        if (bad_events != 0) begin
            $display("FAIL %0d of %0d events", bad_events, events);
            $fatal(1, "the core differs from its program");
        end else if (!failed) begin
            $display("PASS %0d events", events);
            $finish;
        end
    end

    initial begin : tick
        clk = 1'b0;
        forever #HALF_PERIOD clk = ~clk;
    end
endmodule
