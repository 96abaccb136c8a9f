// RUN: camc opt %s -p 'convert-apv-to-rtm{rows=64 columns=16 domains=32}' | filecheck %s

// The input is clamped to where results are apart (a look at its upper bits tells), and multiplied with 5 on top of the
// addend; two bits of all that can be left out.
// CHECK-LABEL: func.func @line
func.func @line(%q: tensor<?x1x!ternary.int<0, 255>>) -> tensor<?x1x!ternary.int<0, 15>> {
  %y = apv.stage : tensor<?x1x!ternary.int<0, 15>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 255>> -> !apv.columns<1, 0, 255>
    // CHECK: %[[X:[0-9]+]] : c0[0:8] = in 0
    // CHECK-NEXT: %[[C:[0-9]+]] : c1[0:6] = %[[X]]
    // CHECK-NEXT: %[[F:[0-9]+]] : c2[0] = %[[X]]>>4 >= 3
    // CHECK-NEXT: %[[D:[0-9]+]] : c1[0:6] = %[[C]] set 48 if %[[F]]
    // CHECK-NEXT: %[[A:[0-9]+]] : c2[0:2] = 2
    // CHECK-NEXT: %[[B:[0-9]+]] : c2[0:4] = zext %[[A]]
    // CHECK-NEXT: %[[E:[0-9]+]] : c2[0:4] = %[[B]] += %[[D]]>>2 carry c0[7]
    // CHECK-NEXT: %[[G:[0-9]+]] : c2[0:6] = zext %[[E]]
    // CHECK-NEXT: %[[H:[0-9]+]] : c2[0:6] = %[[G]] += %[[D]] carry c0[7]
    // CHECK-NEXT: %{{[0-9]+}} : c3[0:4] = %[[H]]>>2
    %r = apv.rescale %x : !apv.columns<1, 0, 255> -> !apv.columns<1, 0, 15> lines <{
      * 5 + 8 >> 4 in 0..15
    }>
    // CHECK: out 0 =
    %s = apv.store %r : !apv.columns<1, 0, 15> -> tensor<?x1x!ternary.int<0, 15>>
    apv.yield %s : tensor<?x1x!ternary.int<0, 15>>
  }
  func.return %y : tensor<?x1x!ternary.int<0, 15>>
}
