// RUN: camc opt %s -p 'apv-across{pairs=all}' | filecheck %s --check-prefix MARK
// RUN: camc opt %s -p 'apv-across,apv-share' | filecheck %s --check-prefix FIT
// RUN: camc opt %s -p 'apv-across{pairs=all},convert-apv-to-rtm{columns=20 domains=4},convert-rtm-to-ap,ap-pair' | filecheck %s

// The rows of one sample, of 256, don't fill an array.
// MARK: apv.stage across pairs :
// FIT: apv.stage across :

// First the term that stays alone, then pairs: of opposite signs, then of the same. The last column is the carry's
// second cell.
// CHECK-LABEL: ap.segment "fc"
// CHECK:      in c{{.*}}, #5
// CHECK-NEXT: add.ip c3:3.0, c11:1.0, c18.0
// CHECK-NEXT: add.sub c0:3.0, c6:1.0, c8:1.0, c18.0
// CHECK-NEXT: add.add c0:3.0, c9:1.0, c10:1.0, c18.0
// CHECK-NEXT: add.sub c3:3.0, c7:1.0, c6:1.0, c18.0
// CHECK-NEXT: add.sub c3:3.0, c9:1.0, c8:1.0, c18.0
func.func @main(%q: tensor<?x6x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 1>> {
  %r = apv.stage : tensor<?x2x!ternary.int<0, 1>> {
    %x = apv.load %q : tensor<?x6x!ternary.int<0, 1>> -> !apv.columns<6, 0, 1>
    %a = apv.linear %x : (!apv.columns<6, 0, 1>) -> !apv.columns<2, -2, 4> layer "fc" weights <{
      +0-++0
      -+-+0+
    }>
    %t = apv.threshold %a : !apv.columns<2, -2, 4> -> !apv.columns<2, 0, 1> thresholds <{
      up 1
    }>
    %s = apv.store %t : !apv.columns<2, 0, 1> -> tensor<?x2x!ternary.int<0, 1>>
    apv.yield %s : tensor<?x2x!ternary.int<0, 1>>
  }
  func.return %r : tensor<?x2x!ternary.int<0, 1>>
}
