// RUN: not camc opt %s -p convert-apv-to-rtm 2>&1 | filecheck %s

// CHECK: camc: error: values go back to the host and into the array again, which one program can't do
func.func @network(%q: tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> {
  %x = apv.load %q : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
  %y = apv.store %x : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
  %z = apv.load %y : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
  %r = apv.store %z : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
  func.return %r : tensor<?x1x!ternary.int<0, 3>>
}
