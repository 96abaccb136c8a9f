// RUN: camc opt %s -p 'apv-split{outputs=2}' | filecheck %s
// RUN: camc opt %s -p 'apv-split{inputs=2}' | filecheck %s --check-prefix INPUTS
// RUN: not camc opt %s -p 'apv-split{inputs=0}' 2>&1 | filecheck %s --check-prefix NONE

// NONE: camc: error: apv-split: outputs 0, inputs 0
// NONE: hint: outputs, moved, step and threads are at least 0, inputs at least 1

// Each part loads the inputs, goes through thresholds and the residual addition, and is stored.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<0, 1>>, %[[S:.*]]: tensor<?x3x!ternary.int<0, 1>>)
// CHECK-NEXT:   %[[X1:.*]] = apv.load %[[Q]]
// CHECK-NEXT:   %[[A1:.*]] = apv.linear %[[X1]] : (!apv.columns<2, 0, 1>) -> !apv.columns<1, -1, 2> layer "fc"
// CHECK-NEXT:     inputs 2 in 0..1
// CHECK-NEXT:     %2 = %0 + %1 : u2
// CHECK-NEXT:     out %2
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T1:.*]] = apv.threshold %[[A1]]
// CHECK-NEXT:     up 1
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[Y1:.*]] = apv.load %[[S]]
// CHECK-NEXT:   %[[B1:.*]] = apv.linear %[[T1]], %[[Y1]] : (!apv.columns<1, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<1, 0, 2>
// CHECK-NEXT:     inputs 4 in 0..1
// CHECK-NEXT:     %4 = %0 + %1 : u2
// CHECK-NEXT:     out %4
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[R1:.*]] = apv.store %[[B1]]
// CHECK-NEXT:   %[[X2:.*]] = apv.load %[[Q]]
// CHECK-NEXT:   %[[A2:.*]] = apv.linear %[[X2]] : (!apv.columns<2, 0, 1>) -> !apv.columns<2, -1, 2> layer "fc"
// CHECK-NEXT:     inputs 2 in 0..1
// CHECK-NEXT:     %2 = %0 - %1 : i2
// CHECK-NEXT:     out %2
// CHECK-NEXT:     out %1
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T2:.*]] = apv.threshold %[[A2]]
// CHECK-NEXT:     up 0
// CHECK-NEXT:     down 2
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[Y2:.*]] = apv.load %[[S]]
// CHECK-NEXT:   %[[B2:.*]] = apv.linear %[[T2]], %[[Y2]]
// CHECK:        %[[R2:.*]] = apv.store %[[B2]]
// CHECK-NEXT:   %[[R:.*]] = ternary.concat %[[R1]], %[[R2]]
// CHECK-NEXT:   func.return %[[R]]

// Partial sums over one input each go through the buffer.
// INPUTS-LABEL: func.func @residual
// INPUTS:         apv.linear
// INPUTS:         %[[P1:.*]] = apv.store
// INPUTS:         apv.linear
// INPUTS:         %[[P2:.*]] = apv.store
// INPUTS:         %[[L1:.*]] = apv.load %[[P1]]
// INPUTS-NEXT:    %[[L2:.*]] = apv.load %[[P2]]
// INPUTS-NEXT:    %[[A:.*]] = apv.linear %[[L1]], %[[L2]]
// INPUTS:         apv.threshold %[[A]]
func.func @residual(%q: tensor<?x2x!ternary.int<0, 1>>, %s: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x3x!ternary.int<0, 2>> {
  %x = apv.load %q : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
  %a = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<3, -1, 2> layer "fc" graph <{
    inputs 2 in 0..1
    %2 = %0 + %1 : u2
    %3 = %0 - %1 : i2
    out %2
    out %3
    out %1
  }>
  %t = apv.threshold %a : !apv.columns<3, -1, 2> -> !apv.columns<3, 0, 1> thresholds <{
    up 1
    up 0
    down 2
  }>
  %y = apv.load %s : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
  %b = apv.linear %t, %y : (!apv.columns<3, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<3, 0, 2> graph <{
    inputs 6 in 0..1
    %6 = %0 + %3 : u2
    %7 = %1 + %4 : u2
    %8 = %2 + %5 : u2
    out %6
    out %7
    out %8
  }>
  %r = apv.store %b : !apv.columns<3, 0, 2> -> tensor<?x3x!ternary.int<0, 2>>
  func.return %r : tensor<?x3x!ternary.int<0, 2>>
}

// The first layer stays whole: its parts would wait for a stage that waits for them.
// CHECK-LABEL: func.func @meets_again
// CHECK:         %[[X:.*]] = apv.max
// CHECK:         %[[B:.*]] = apv.linear %[[X]] : (!apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 2> layer "fc"
// CHECK-COUNT-2: -> !apv.columns<1, 0, 3> layer "add"
// CHECK-NOT:     layer "fc"
func.func @meets_again(%q: tensor<?x4x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 3>> {
  %l = apv.load %q : tensor<?x4x!ternary.int<0, 1>> -> !apv.columns<4, 0, 1>
  %x = apv.max %l {size = 2 : i64} : !apv.columns<4, 0, 1> -> !apv.columns<2, 0, 1>
  %b = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 2> layer "fc" graph <{
    inputs 2 in 0..1
    %2 = %0 + %1 : u2
    out %2
    out %0
  }>
  %c = apv.linear %b, %x : (!apv.columns<2, 0, 2>, !apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 3> layer "add" graph <{
    inputs 2 in 0..2
    inputs 2 in 0..1
    %4 = %0 + %2 : u2
    %5 = %1 + %3 : u2
    out %4
    out %5
  }>
  %r = apv.store %c : !apv.columns<2, 0, 3> -> tensor<?x2x!ternary.int<0, 3>>
  func.return %r : tensor<?x2x!ternary.int<0, 3>>
}
