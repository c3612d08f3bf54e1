// Carries one after another: carries of additions of any width are then the same functions of the same bits.
(* techmap_celltype = "$lcu" *)
module ripple_lcu (P, G, CI, CO);
    parameter WIDTH = 1;
    input [WIDTH-1:0] P, G;
    input CI;
    output [WIDTH-1:0] CO;
    genvar i;
    generate
        for (i = 0; i < WIDTH; i = i + 1) begin : bits
            assign CO[i] = G[i] | (P[i] & (i ? CO[i ? i-1 : 0] : CI));
        end
    endgenerate
endmodule
