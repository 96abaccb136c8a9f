// RUN: not camc opt %s -p convert-apv-to-rtm 2>&1 | filecheck %s

// %z comes back from the host while %x waits in the array, which one program can't do.
// CHECK: camc: error: stages depend on each other in a circle, at rtm.program
func.func @network(%q: tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> {
  %x = apv.load %q : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
  %y = apv.store %x : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
  %z = apv.load %y : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
  %a = apv.linear %x, %z : (!apv.columns<1, 0, 3>, !apv.columns<1, 0, 3>) -> !apv.columns<1, 0, 6> graph <{
    inputs 2 in 0..3
    %2 = %0 + %1 : u3
    out %2
  }>
  %r = apv.store %a : !apv.columns<1, 0, 6> -> tensor<?x1x!ternary.int<0, 6>>
  func.return %r : tensor<?x1x!ternary.int<0, 6>>
}
