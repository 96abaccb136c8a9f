// RUN: camc opt %s -p ap-pair | filecheck %s

// Additions to one accumulator that follow one another, in pairs from the first one on; of three, one is left.
// CHECK-LABEL: ap.segment "pairs"
// CHECK-NEXT:   lean add.sub c0:5.1, c10:3.2, c13:3.2, c30.0
// CHECK-NEXT:   lean add.sub c0:5.1, c16:3.2, c13:3.2, c30.0
// CHECK-NEXT:   lean add.add c5:5.1, c10:3.2, c10:3.2, c30.0
// CHECK-NEXT:   lean sub.sub c5:5.1, c13:3.2, c16:3.2s, c30.0
// CHECK-NEXT:   lean add.ip c5:5.1, c10:3.2, c30.0
// CHECK-NEXT: }>
// What isn't alike stays: another width, another accumulator, another carry, numbers that overlap, one that is zero,
// the member of a loop.
// CHECK-LABEL: ap.segment "others"
// CHECK-COUNT-6: lean {{add|sub}}.ip
// CHECK: loop {
// CHECK-COUNT-2: add.ip
// CHECK: }
// CHECK-NEXT: lean add.ip
// CHECK-NOT: {{add|sub}}.{{add|sub}}
func.func @main(%q: tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <4x32x4> {
    ap.segment "pairs" code <{
      lean add.ip c0:5.1, c10:3.2, c30.0
      lean sub.ip c0:5.1, c13:3.2, c30.0
      lean sub.ip c0:5.1, c13:3.2, c30.0
      lean add.ip c0:5.1, c16:3.2, c30.0
      lean add.ip c5:5.1, c10:3.2, c30.0
      lean add.ip c5:5.1, c10:3.2, c30.0
      lean sub.ip c5:5.1, c13:3.2, c30.0
      lean sub.ip c5:5.1, c16:3.2s, c30.0
      lean add.ip c5:5.1, c10:3.2, c30.0
    }>
    ap.segment "others" code <{
      lean add.ip c0:5.1, c10:3.2, c30.0
      lean add.ip c0:4.1, c13:3.2, c30.0
      lean sub.ip c5:4.1, c13:3.2, c30.0
      lean sub.ip c5:4.1, c12:3.2, c30.0
      lean add.ip c5:4.1, zero, c30.0
      lean add.ip c5:4.1, c12:3.2, c30.1
      loop {
        lean add.ip c5:4.1, c12:3.2, c30.1
        lean add.ip c0:4.1, c15:3.2, c29.0
      }
      lean add.ip c0:4.1, c12:3.2, c30.0
      out c0.1, #0
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 1>>
}

// Where the column behind the carry is in use, or the carry's own holds something else, there is no second cell.
// CHECK-LABEL: func.func @full
// CHECK-NOT: add.add
func.func @full(%q: tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <4x32x4> {
    ap.segment "last" code <{
      add.ip c0:5.1, c10:3.2, c31.0
      add.ip c0:5.1, c13:3.2, c31.0
    }>
    ap.segment "beside" code <{
      add.ip c0:5.1, c10:3.2, c24.0
      add.ip c0:5.1, c13:3.2, c24.0
      set c25.3:1, #0
    }>
    ap.segment "flag" code <{
      add.ip c0:5.1, c10:3.2, c28.0
      add.ip c0:5.1, c13:3.2, c28.0
      copy.if c0:5.1, c10:3.2, c28.0
      out c0.1, #0
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 1>>
}
