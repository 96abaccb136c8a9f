// RUN: camc opt %s -p convert-apv-to-rtm | filecheck %s

// Values that go back to the host and into the array again take a program each.
// CHECK-LABEL: func.func @network
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x1x!ternary.int<0, 3>>)
// CHECK-NEXT: %[[Y:.*]] = rtm.program %[[Q]]
// CHECK:      %[[R:.*]] = rtm.program %[[Y]]
// CHECK:      func.return %[[R]]
func.func @network(%q: tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> {
  %y = apv.stage : tensor<?x1x!ternary.int<0, 3>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
    %y = apv.store %x : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
    apv.yield %y : tensor<?x1x!ternary.int<0, 3>>
  }
  %r = apv.stage : tensor<?x1x!ternary.int<0, 3>> {
    %z = apv.load %y : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
    %r = apv.store %z : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
    apv.yield %r : tensor<?x1x!ternary.int<0, 3>>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 3>>
}
