// RUN: not camc opt %s -p convert-apv-to-rtm 2>&1 | filecheck %s

// CHECK: camc: error: relu: a threshold or a step lies beyond the 32 bits of an instruction's number: the sums are 0..8589934590
// CHECK: hint:

func.func @network(%q: tensor<?x1x!ternary.int<0, 4294967295>>) -> tensor<?x1x!ternary.int<0, 1>> {
  %y = apv.stage : tensor<?x1x!ternary.int<0, 1>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 4294967295>> -> !apv.columns<1, 0, 4294967295>
    %a = apv.sum %x : (!apv.columns<1, 0, 4294967295>) -> !apv.columns<1, 0, 8589934590> graph <{
      inputs 1 in 0..4294967295
      %1 = %0 + %0 : u33
      out %1
    }>
    %t = apv.threshold %a : !apv.columns<1, 0, 8589934590> -> !apv.columns<1, 0, 1> layer "relu" thresholds <{
      up 6000000000
    }>
    %y = apv.store %t : !apv.columns<1, 0, 1> -> tensor<?x1x!ternary.int<0, 1>>
    apv.yield %y : tensor<?x1x!ternary.int<0, 1>>
  }
  func.return %y : tensor<?x1x!ternary.int<0, 1>>
}
