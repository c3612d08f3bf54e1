-- Plays events into a pipelined core, one a clock, and compares every bit of its output LATENCY clocks later.
--
-- Both files begin with a line of three numbers, how many events, how many bits an event, and (hexadecimal) an
-- identity that they share; then comes one hexadecimal word an event, the first word of a port in its lowest bits.
-- Ends with the line "PASS n events", or with the first difference and a line "FAIL ..." and status 1. A bit that is
-- neither '0' nor '1' is a difference.
library ieee;
use ieee.std_logic_1164.all;
use std.textio.all;
use std.env.all;

entity tf_testbench is
    generic (
        INPUT_BITS  : positive;
        OUTPUT_BITS : positive;
        WIDTHS      : integer_vector;  -- of the output's words, the first in the lowest bits
        LATENCY     : positive;
        HALF_PERIOD : time   := 1 ns;
        STIMULUS    : string := "vectors/stimulus.hex";
        EXPECTED    : string := "vectors/expected.hex"
    );
    port (
        clk   : out std_logic := '0';
        given : out std_logic_vector(INPUT_BITS - 1 downto 0);
        seen  : in  std_logic_vector(OUTPUT_BITS - 1 downto 0)
    );
end entity tf_testbench;

architecture bench of tf_testbench is
    procedure say(what : string) is
    begin
        write(output, what & LF);
    end procedure say;

    procedure unusable(why : string) is
    begin
        say(why);
        say("FAIL vectors");
        stop(1);
        wait;
    end procedure unusable;

    -- The next word of a file: as many hexadecimal digits as it needs and nothing else on the line.
    procedure read_word(file source : text; bits : positive; word : out std_logic_vector; readable : out boolean) is
        constant DIGITS : positive := (bits + 3) / 4;
        variable row    : line;
        variable number : std_logic_vector(4 * DIGITS - 1 downto 0) := (others => '0');
        variable digit  : natural;
    begin
        word     := (bits - 1 downto 0 => '0');
        readable := false;
        if endfile(source) then
            return;
        end if;
        readline(source, row);
        if row'length /= DIGITS then
            return;
        end if;
        for i in 0 to DIGITS - 1 loop
            case row(row'low + i) is
                when '0' to '9' => digit := character'pos(row(row'low + i)) - character'pos('0');
                when 'a' to 'f' => digit := character'pos(row(row'low + i)) - character'pos('a') + 10;
                when others => return;
            end case;
            for k in 0 to 3 loop
                if (digit / 2 ** k) mod 2 = 1 then
                    number(4 * (DIGITS - 1 - i) + k) := '1';
                end if;
            end loop;
        end loop;
        for k in bits to 4 * DIGITS - 1 loop
            if number(k) = '1' then
                return;
            end if;
        end loop;
        word     := number(bits - 1 downto 0);
        readable := true;
    end procedure read_word;

    procedure read_head(file source : text; events, bits : out integer; identity : out string) is
        variable row  : line;
        variable good : boolean;
        variable gap  : character;
    begin
        events   := 0;
        bits     := 0;
        identity := "        ";
        if endfile(source) then
            return;
        end if;
        readline(source, row);
        read(row, events, good);
        if good then
            read(row, bits, good);
        end if;
        if good then
            read(row, gap, good);
        end if;
        if good and row'length = 8 then
            read(row, identity);
        end if;
    end procedure read_head;

    procedure show_difference(event_number : natural; wanted, got : std_logic_vector(OUTPUT_BITS - 1 downto 0)) is
        variable position, first : natural := 0;
        variable word            : natural := WIDTHS'low;
    begin
        while got(position) = wanted(position) loop
            position := position + 1;
        end loop;
        while position >= first + WIDTHS(word) loop
            first := first + WIDTHS(word);
            word  := word + 1;
        end loop;
        say("event " & to_string(event_number) & ", word " & to_string(word - WIDTHS'low) & ", bit " &
            to_string(position - first) & ": expected " & to_string(wanted(position)) & ", got " &
            to_string(got(position)) & " (word 0x" & to_hstring(wanted(first + WIDTHS(word) - 1 downto first)) &
            ", got 0x" & to_hstring(got(first + WIDTHS(word) - 1 downto first)) & ")");
    end procedure show_difference;
begin
    tick : process
    begin
        wait for HALF_PERIOD;
        clk <= '1';
        wait for HALF_PERIOD;
        clk <= '0';
    end process tick;

    play : process
        file stimulus_file, expected_file                  : text;
        variable stimulus_status, expected_status          : file_open_status;
        variable events, other_events, bits, other_bits    : integer;
        variable identity, other_identity                  : string(1 to 8);
        variable word                                      : std_logic_vector(INPUT_BITS - 1 downto 0);
        variable wanted                                    : std_logic_vector(OUTPUT_BITS - 1 downto 0);
        variable bad_events                                : natural := 0;
        variable readable                                  : boolean;
    begin
        file_open(stimulus_status, stimulus_file, STIMULUS, read_mode);
        file_open(expected_status, expected_file, EXPECTED, read_mode);
        if stimulus_status /= open_ok or expected_status /= open_ok then
            unusable(STIMULUS & " and " & EXPECTED & " must be there to be read");
        end if;
        read_head(stimulus_file, events, bits, identity);
        read_head(expected_file, other_events, other_bits, other_identity);
        if bits /= INPUT_BITS or other_bits /= OUTPUT_BITS or events /= other_events or events < 1
            or identity /= other_identity or identity(1) = ' ' then
            unusable(STIMULUS & " and " & EXPECTED & " must have " & to_string(INPUT_BITS) & " and " &
                     to_string(OUTPUT_BITS) & " bits, the same events and the same identity");
        end if;
        for step in 0 to events + LATENCY - 1 loop
            wait until falling_edge(clk);
            if step >= LATENCY then
                read_word(expected_file, OUTPUT_BITS, wanted, readable);
                if not readable then
                    unusable(EXPECTED & " must have " & to_string((OUTPUT_BITS + 3) / 4) &
                             " hexadecimal digits at event " & to_string(step - LATENCY));
                end if;
                if seen /= wanted then
                    if bad_events = 0 then
                        show_difference(step - LATENCY, wanted, seen);
                    end if;
                    bad_events := bad_events + 1;
                end if;
            end if;
            if step < events then
                read_word(stimulus_file, INPUT_BITS, word, readable);
                if not readable then
                    unusable(STIMULUS & " must have " & to_string((INPUT_BITS + 3) / 4) &
                             " hexadecimal digits at event " & to_string(step));
                end if;
                given <= word;
            end if;
        end loop;
        if not endfile(stimulus_file) or not endfile(expected_file) then
            unusable(STIMULUS & " and " & EXPECTED & " must end after " & to_string(events) & " events");
        end if;
        if bad_events /= 0 then
            say("FAIL " & to_string(bad_events) & " of " & to_string(events) & " events");
            stop(1);
        else
            say("PASS " & to_string(events) & " events");
            finish(0);
        end if;
        wait;
    end process play;
end architecture bench;
