// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<-2, 1>>)
func.func @all(%q: tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> {
  // CHECK-NEXT: rtm.program %[[Q]] : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> geometry <64x16x32> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<-2, 1>>) -> tensor<?x2x!ternary.int<-9, 9>> geometry <64x16x32> {
    // CHECK-NEXT: rtm.segment "load" code <{
    // CHECK-NEXT:   c0[0:2] = in 0
    // CHECK-NEXT:   c1[0:2] = in 1
    // CHECK-NEXT: }>
    rtm.segment "load" code <{
      c0[0:2] = in 0
      c1[0:2] = in 1
    }>
    // CHECK-NEXT: rtm.segment "fc/1" code <{
    // CHECK-NEXT:   c2[0:5] = c0[0:2]s + c1[0:2]s<<1 carry c15[0]
    // CHECK-NEXT:   c3[0:5] = zero - c1[0:2]s carry c15[0]
    // CHECK-NEXT:   loop {
    // CHECK-NEXT:     c2[0:5] += c0[0:2]s carry c15[0]
    // CHECK-NEXT:     c3[1:5] -= c1[0:2]s carry c14[0] @1
    // CHECK-NEXT:   }
    // CHECK-NEXT:   c4[0:5] = c2[0:5]s
    // CHECK-NEXT:   c4[4:6] = sext c4[4] carry c15[0]
    // CHECK-NEXT:   c5[0] = c4[0:5]s >= -3
    // CHECK-NEXT:   c6[0:5] = -4
    // CHECK-NEXT:   c6[0:3] = 5 if c5[0]
    // CHECK-NEXT:   out 0 = c6[0:5]s
    // CHECK-NEXT:   out 1 = c3[0:5]s
    // CHECK-NEXT: }>
    rtm.segment "fc/1" code <{
      c2[0:5] = c0[0:2]s + c1[0:2]s << 1 carry c15[0]   ; a comment
      c3[0:5] = zero - c1[0:2]s carry c15[0:1]
      loop { c2[0:5] += c0[0:2]s carry c15[0] c3[1:5] -= c1[0:2]s carry c14[0] @1 }
      c4[0:5] = c2[0:5]s
      c4[4:6] = sext c4[4] carry c15[0]
      c5[0] = c4[0:5]s >= -3
      c6[0:5] = -4
      c6[0:3] = 5 if c5[0]
      out 0 = c6[0:5]s
      out 1 = c3[0:5]s
    }>
  }
  func.return %r : tensor<?x2x!ternary.int<-9, 9>>
}
