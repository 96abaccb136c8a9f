// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x3x!ternary.int<-1, 2>>)
func.func @all(%q: tensor<?x3x!ternary.int<-1, 2>>) -> tensor<?x3x!ternary.int<0, 1>> {
  // CHECK-NEXT: %[[STAGE:.*]] = apv.stage part <outputs 0 to 3 of 6, inputs 3 to 6 of 9> : tensor<?x3x!ternary.int<0, 1>> {
  %y = apv.stage part <outputs 0 to 3 of 6, inputs 3 to 6 of 9> : tensor<?x3x!ternary.int<0, 1>> {
    // CHECK-NEXT: %[[X:.*]] = apv.load %[[Q]] : tensor<?x3x!ternary.int<-1, 2>> -> !apv.columns<3, -1, 2>
    %x = apv.load %q : tensor<?x3x!ternary.int<-1, 2>> -> !apv.columns<3, -1, 2>
    // CHECK-NEXT: %[[L:.*]] = apv.linear %[[X]] {kernel_size = 3 : i64} : (!apv.columns<3, -1, 2>) -> !apv.columns<2, -8, 8> layer "conv" weights <{
    // CHECK-NEXT:   ++0
    // CHECK-NEXT:   -0+
    // CHECK-NEXT: }>
    %l = apv.linear %x {kernel_size = 3 : i64} : (!apv.columns<3, -1, 2>) -> !apv.columns<2, -8, 8> layer "conv" weights <{
      ++0
      -0+
    }>
    // CHECK-NEXT: %[[M:.*]] = apv.linear %[[L]], %[[X]] : (!apv.columns<2, -8, 8>, !apv.columns<3, -1, 2>) -> !apv.columns<1, -80, 80> weights <{
    // CHECK-NEXT:   7 0 -1 0 1
    // CHECK-NEXT: }>
    %m = apv.linear %l, %x : (!apv.columns<2, -8, 8>, !apv.columns<3, -1, 2>) -> !apv.columns<1, -80, 80> weights <{
      7 0 -1 0 1
    }>
    // CHECK-NEXT: %[[A:.*]] = apv.sum %[[X]] : (!apv.columns<3, -1, 2>) -> !apv.columns<3, -8, 8> layer "fc" graph <{
    // CHECK-NEXT:   inputs 3 in -1..2
    // CHECK-NEXT:   %3 = %0 + %1 : i4
    // CHECK-NEXT:   %4 = %2<<1 - %3 : i4
    // CHECK-NEXT:   out %3
    // CHECK-NEXT:   out -%4
    // CHECK-NEXT:   out zero
    // CHECK-NEXT: }>
    %a = apv.sum %x : (!apv.columns<3, -1, 2>) -> !apv.columns<3, -8, 8> layer "fc" graph <{
      inputs 1 in -1..2      ; a comment
      inputs 2 in -1..2
      %sum = %0 + %1 : i4
      %difference = %2 << 1 - %sum : i4
      out %sum  out -%difference  out zero
    }>
    // CHECK-NEXT: %[[T:.*]] = apv.threshold %[[A]] : !apv.columns<3, -8, 8> -> !apv.columns<3, 0, 1> layer "act" thresholds <{
    // CHECK-NEXT:   down -2
    // CHECK-NEXT: }>
    %t = apv.threshold %a : !apv.columns<3, -8, 8> -> !apv.columns<3, 0, 1> layer "act" thresholds <{
      down -2
    }>
    // CHECK-NEXT: %[[STORED:.*]] = apv.store %[[T]] : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    %y = apv.store %t : !apv.columns<3, 0, 1> -> tensor<?x3x!ternary.int<0, 1>>
    // CHECK-NEXT: apv.yield %[[STORED]] : tensor<?x3x!ternary.int<0, 1>>
    apv.yield %y : tensor<?x3x!ternary.int<0, 1>>
    // CHECK-NEXT: }
  }
  // CHECK-NEXT: func.return %[[STAGE]]
  func.return %y : tensor<?x3x!ternary.int<0, 1>>
}
