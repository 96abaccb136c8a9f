// RUN: not camc opt %s -p 'convert-apv-to-rtm{rows=64 columns=16 domains=16}' 2>&1 | filecheck %s

// CHECK: integers 0..65535 times 101010101 don't fit into a column of 16 domains
// CHECK: a target with more domains
func.func @line(%q: tensor<?x1x!ternary.int<0, 65535>>) -> tensor<?x1x!ternary.int<0, 15>> {
  %y = apv.stage : tensor<?x1x!ternary.int<0, 15>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 65535>> -> !apv.columns<1, 0, 65535>
    %r = apv.rescale %x : !apv.columns<1, 0, 65535> -> !apv.columns<1, 0, 15> layer "q" lines <{
      * 101010101 + 8 >> 38 in 0..15
    }>
    %s = apv.store %r : !apv.columns<1, 0, 15> -> tensor<?x1x!ternary.int<0, 15>>
    apv.yield %s : tensor<?x1x!ternary.int<0, 15>>
  }
  func.return %y : tensor<?x1x!ternary.int<0, 15>>
}
