// RUN: camc opt %s -p convert-rtm-to-ap | filecheck %s
// RUN: camc opt %s -p "convert-rtm-to-ap{lean=true}" | filecheck %s --check-prefix LEAN

// LEAN:      lean sub c3.0:2, c0.0:1, c1.0:1, c14.0
// LEAN:      lean out c3.0:3s, #1

// CHECK-LABEL: func.func @network
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<0, 1>>)
func.func @network(%q: tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<-2, 2>> {
  // CHECK-NEXT: %[[R:.*]] = ap.program %[[Q]] : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<-2, 2>> geometry <64x16x32> {
  // CHECK-NEXT:   ap.segment "load" code <{
  // CHECK-NEXT:     in c0.0:1, #0
  // CHECK-NEXT:     in c1.0:1, #1
  // CHECK-NEXT:   }>
  // CHECK-NEXT:   ap.segment "fc" code <{
  // CHECK-NEXT:     loop {
  // CHECK-NEXT:       add c2.0:2, c0.0:1, c1.0:1, c15.0
  // CHECK-NEXT:       sub c3.0:2, c0.0:1, c1.0:1, c14.0
  // CHECK-NEXT:     }
  // CHECK-NEXT:     ext c3.1:2, c15.0
  // CHECK-NEXT:     cmp.ge c13.0, c3.0:3s, #-1
  // CHECK-NEXT:     set.if c3.0:3, c13.0, #2
  // CHECK-NEXT:     out c2.0:2, #0
  // CHECK-NEXT:     out c3.0:3s, #1
  // CHECK-NEXT:   }>
  // CHECK-NEXT: }
  %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<-2, 2>> geometry <64x16x32> {
    rtm.segment "load" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] = in 1
    }>
    rtm.segment "fc" code <{
      %0 : c0[0] live
      %1 : c1[0] live
      loop {
        %2 : c2[0:2] = %0 + %1 carry c15[0]
        %3 : c3[0:2]s = %0 - %1 carry c14[0]
      }
      %4 : c3[0:3]s = sext %3 carry c15[0]
      %5 : c13[0] = %4 >= -1
      %6 : c3[0:3]s = %4 set 2 if %5
      out 0 = %2
      out 1 = %6
    }>
  }
  // CHECK-NEXT: func.return %[[R]]
  func.return %r : tensor<?x2x!ternary.int<-2, 2>>
}
