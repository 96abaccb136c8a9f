// RUN: camc opt %s -p ap-prefix | filecheck %s

// A rising function begins with its last threshold, a falling one with its first.
// CHECK-LABEL: ap.segment "steps"
// CHECK-NEXT:   lean set c10:2.0, #0
// CHECK-NEXT:   lean set.gt c10:2.0, c0:5.1, #20, #2
// CHECK-NEXT:   lean set.gt c10:2.0, c0:5.1, #3, #1
// CHECK-NEXT:   out c10:2.0, #0
// CHECK-NEXT:   lean set c10:2.0, #0
// CHECK-NEXT:   lean set.lt c10:2.0, c5:5.1s, #-4, #3
// CHECK-NEXT:   lean set.lt c10:2.0, c5:5.1s, #2, #1
// CHECK-NEXT:   out c10:2.0, #1
// CHECK-NEXT: }>
// What rises and falls again, lies along a track, or has a flag that is read once more stays as it is.
// CHECK-LABEL: ap.segment "others"
// CHECK-NOT: set.{{gt|lt}}
func.func @main(%q: tensor<?x1x!ternary.int<0, 1>, #ternary.rows<64>>) -> tensor<?x5x!ternary.int<0, 3>, #ternary.rows<64>> {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>, #ternary.rows<64>>) -> tensor<?x5x!ternary.int<0, 3>, #ternary.rows<64>> geometry <64x32x8> {
    ap.segment "steps" code <{
      lean set c10:2.0, #0
      lean cmp.ge c12.0, c0:5.1, #4
      lean set.if c10:1.0, c12.0, #1
      lean cmp.ge c12.0, c0:5.1, #21
      lean set.if c10:2.0, c12.0, #2
      out c10:2.0, #0
      lean set c10:2.0, #3
      lean cmp.ge c12.0, c5:5.1s, #-4
      lean set.if c11:1.0, c12.0, #0
      lean cmp.ge c12.0, c5:5.1s, #2
      lean set.if c10:1.0, c12.0, #0
      out c10:2.0, #1
    }>
    ap.segment "others" code <{
      set c10:1.0, #0
      cmp.ge c12.0, c0:5.1, #4
      set.if c10:1.0, c12.0, #1
      cmp.ge c12.0, c0:5.1, #6
      set.if c10:1.0, c12.0, #0
      out c10:1.0, #2
      set c10.0:1, #0
      cmp.ge c12.0, c0.0:5, #4
      set.if c10.0:1, c12.0, #1
      out c10.0:1, #3
      set c10:1.0, #0
      cmp.ge c12.0, c0:5.1, #4
      set.if c10:1.0, c12.0, #1
      set.if c13:1.0, c12.0, #1
      out c10:1.0, #4
    }>
  }
  func.return %r : tensor<?x5x!ternary.int<0, 3>, #ternary.rows<64>>
}
