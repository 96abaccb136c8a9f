// RUN: camc opt %s -p 'rtm-order-tracks,rtm-verify' | filecheck %s
// RUN: camc opt %s -p 'rtm-order-tracks{stats=true}' 2>&1 >/dev/null | filecheck %s --check-prefix STATS

// STATS: fc: steps in time 73 -> 52, column steps 93 -> 63

// %0 and %2, which are visited in turns, become neighbours, and %1 goes to the end. %6 is made when %2 is dead, and lies
// where that was. Carries go to the free domain nearest to the port. Columns and instructions stay as they are.
func.func @network(%q: tensor<?x5x!ternary.int<0, 3>>) -> tensor<?x7x!ternary.int<0, 9>> {
  // CHECK:      rtm.segment "fc" code <{
  // CHECK-NEXT:   %0 : c0[2:4] = in 0
  // CHECK-NEXT:   %1 : c0[4:6] = in 1
  // CHECK-NEXT:   %2 : c0[0:2] = in 2
  // CHECK:        %4 : c2[0:3] = %3 + %2 carry c3[0]
  // CHECK-NEXT:   %5 : c3[0:4] = %4 + %3 carry c0[1]
  // CHECK-NEXT:   out 4 = %5
  // CHECK-NEXT:   %6 : c0[0:2] = in 4
  // CHECK-NEXT:   %7 : c2[0:3] = %6 + %3 carry c3[3]
  %y = rtm.program %q : (tensor<?x5x!ternary.int<0, 3>>) -> tensor<?x7x!ternary.int<0, 9>> geometry <64x4x16> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c0[2:4] = in 1
      %2 : c0[4:6] = in 2
      out 0 = %0
      out 1 = %2
      out 2 = %0
      out 3 = %2
      %3 : c1[0:2] = in 3
      %4 : c2[0:3] = %3 + %2 carry c3[9]
      %5 : c3[0:4] = %4 + %3 carry c0[9]
      out 4 = %5
      %6 : c0[8:10] = in 4
      %7 : c2[0:3] = %6 + %3 carry c3[5]
      out 5 = %7
      out 6 = %1
    }>
  }
  func.return %y : tensor<?x7x!ternary.int<0, 9>>
}
