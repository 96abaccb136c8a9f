// RUN: camc opt %s -p 'rtm-level-wear' | filecheck %s
// RUN: camc opt %s -p 'rtm-level-wear{stats=true}' 2>&1 >/dev/null | filecheck %s --check-prefix STATS
// RUN: camc opt %s -p 'rtm-level-wear{by=writes stats=true}' 2>&1 >/dev/null | filecheck %s --check-prefix WRITES

// STATS: 4 columns: greatest shifts of a column 18 -> 9
// WRITES: 4 columns: greatest writes of a column 16 -> 8

// The second program keeps out of the column that the first one wears most.
func.func @network(%q: tensor<?x1x!ternary.int<0, 15>>) -> tensor<?x1x!ternary.int<0, 15>> {
  // CHECK:      rtm.segment "one"
  // CHECK-NEXT:   %0 : c0[0:4] = in 0
  // CHECK-NEXT:   out 0 = %0
  %y = rtm.program %q : (tensor<?x1x!ternary.int<0, 15>>) -> tensor<?x1x!ternary.int<0, 15>> geometry <64x4x16> {
    rtm.segment "one" code <{
      %0 : c0[0:4] = in 0
      out 0 = %0
    }>
  }
  // CHECK:      rtm.segment "two"
  // CHECK-NEXT:   %0 : c1[0:4] = in 0
  // CHECK-NEXT:   %1 : c2[0:4] = %0
  // CHECK-NEXT:   out 0 = %1
  %z = rtm.program %y : (tensor<?x1x!ternary.int<0, 15>>) -> tensor<?x1x!ternary.int<0, 15>> geometry <64x4x16> {
    rtm.segment "two" code <{
      %0 : c0[0:4] = in 0
      %1 : c1[0:4] = %0
      out 0 = %1
    }>
  }
  func.return %z : tensor<?x1x!ternary.int<0, 15>>
}
