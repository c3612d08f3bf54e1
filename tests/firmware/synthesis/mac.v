module mac (
    input            clk,
    input      [7:0] given,
    output reg [7:0] result
);
    reg [7:0] word;
    always @(posedge clk) begin
        word   <= given;
        result <= word[7:4] * word[3:0] + word;
    end
endmodule
