// RUN: camc opt %s -p 'apv-split{outputs=2}' | filecheck %s
// RUN: camc opt %s -p 'apv-split{inputs=2}' | filecheck %s --check-prefix INPUTS
// RUN: not camc opt %s -p 'apv-split{inputs=0}' 2>&1 | filecheck %s --check-prefix NONE

// NONE: camc: error: apv-split: outputs 0, inputs 0
// NONE: hint: outputs, moved and step are at least 0, inputs at least 1

// Each part loads the inputs, goes through thresholds and the residual addition, and is stored.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x2x!ternary.int<0, 1>>, %[[S:.*]]: tensor<?x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[B:.*]] = apv.stage part <outputs 0 to 1 of 3> : tensor<?x1x!ternary.int<0, 2>> {
// CHECK-NEXT:   %[[Q_1:.*]] = apv.load %[[Q]] : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
// CHECK-NEXT:   %[[A:.*]] = apv.linear %[[Q_1]] : (!apv.columns<2, 0, 1>) -> !apv.columns<1, -1, 2> layer "fc" weights <{
// CHECK-NEXT:     ++
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T:.*]] = apv.threshold %[[A]] : !apv.columns<1, -1, 2> -> !apv.columns<1, 0, 1> thresholds <{
// CHECK-NEXT:     up 1
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[S_1:.*]] = apv.load %[[S]] : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
// CHECK-NEXT:   %[[B_1:.*]] = apv.linear %[[T]], %[[S_1]] : (!apv.columns<1, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<1, 0, 2> weights <{
// CHECK-NEXT:     ++00
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[B_2:.*]] = apv.store %[[B_1]] : !apv.columns<1, 0, 2> -> tensor<?x1x!ternary.int<0, 2>>
// CHECK-NEXT:   apv.yield %[[B_2]] : tensor<?x1x!ternary.int<0, 2>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[B_3:.*]] = apv.stage part <outputs 1 to 3 of 3> : tensor<?x2x!ternary.int<0, 2>> {
// CHECK-NEXT:   %[[Q_2:.*]] = apv.load %[[Q]] : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
// CHECK-NEXT:   %[[A_1:.*]] = apv.linear %[[Q_2]] : (!apv.columns<2, 0, 1>) -> !apv.columns<2, -1, 2> layer "fc" weights <{
// CHECK-NEXT:     +-
// CHECK-NEXT:     0+
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T_1:.*]] = apv.threshold %[[A_1]] : !apv.columns<2, -1, 2> -> !apv.columns<2, 0, 1> thresholds <{
// CHECK-NEXT:     up 0
// CHECK-NEXT:     down 2
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[S_2:.*]] = apv.load %[[S]] : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
// CHECK-NEXT:   %[[B_4:.*]] = apv.linear %[[T_1]], %[[S_2]] : (!apv.columns<2, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<2, 0, 2> weights <{
// CHECK-NEXT:     +00+0
// CHECK-NEXT:     0+00+
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[B_5:.*]] = apv.store %[[B_4]] : !apv.columns<2, 0, 2> -> tensor<?x2x!ternary.int<0, 2>>
// CHECK-NEXT:   apv.yield %[[B_5]] : tensor<?x2x!ternary.int<0, 2>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[R:.*]] = ternary.concat %[[B]], %[[B_3]] : (tensor<?x1x!ternary.int<0, 2>>, tensor<?x2x!ternary.int<0, 2>>) -> tensor<?x3x!ternary.int<0, 2>>
// CHECK-NEXT: func.return %[[R]] : tensor<?x3x!ternary.int<0, 2>>

// Partial sums over one input each go through the buffer.
// INPUTS-LABEL: func.func @residual
// INPUTS:         %[[P1:.*]] = apv.stage part <outputs 0 to 3 of 3, inputs 0 to 1 of 2>
// INPUTS:           apv.linear
// INPUTS:         %[[P2:.*]] = apv.stage part <outputs 0 to 3 of 3, inputs 1 to 2 of 2>
// INPUTS:           apv.linear
// INPUTS:         apv.stage
// INPUTS-NEXT:      %[[L1:.*]] = apv.load %[[P1]]
// INPUTS-NEXT:      %[[L2:.*]] = apv.load %[[P2]]
// INPUTS-NEXT:      %[[A:.*]] = apv.linear %[[L1]], %[[L2]]
// INPUTS:           apv.threshold %[[A]]
func.func @residual(%q: tensor<?x2x!ternary.int<0, 1>>, %s: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x3x!ternary.int<0, 2>> {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 2>> {
    %x = apv.load %q : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
    %a = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<3, -1, 2> layer "fc" weights <{
      ++
      +-
      0+
    }>
    %t = apv.threshold %a : !apv.columns<3, -1, 2> -> !apv.columns<3, 0, 1> thresholds <{
      up 1
      up 0
      down 2
    }>
    %y = apv.load %s : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %b = apv.linear %t, %y : (!apv.columns<3, 0, 1>, !apv.columns<3, 0, 1>) -> !apv.columns<3, 0, 2> weights <{
      +00+00
      0+00+0
      00+00+
    }>
    %r = apv.store %b : !apv.columns<3, 0, 2> -> tensor<?x3x!ternary.int<0, 2>>
    apv.yield %r : tensor<?x3x!ternary.int<0, 2>>
  }
  func.return %r : tensor<?x3x!ternary.int<0, 2>>
}

// The first layer stays whole: its parts would wait for a stage that waits for them.
// CHECK-LABEL: func.func @meets_again
// CHECK:         %[[X:.*]] = apv.max
// CHECK:         %[[B:.*]] = apv.linear %[[X]] : (!apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 2> layer "fc"
// CHECK-COUNT-2: -> !apv.columns<1, 0, 3> layer "add"
// CHECK-NOT:     layer "fc"
func.func @meets_again(%q: tensor<?x4x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 3>> {
  %r = apv.stage : tensor<?x2x!ternary.int<0, 3>> {
    %l = apv.load %q : tensor<?x4x!ternary.int<0, 1>> -> !apv.columns<4, 0, 1>
    %x = apv.max %l {size = 2 : i64} : !apv.columns<4, 0, 1> -> !apv.columns<2, 0, 1>
    %b = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 2> layer "fc" weights <{
      ++
      +0
    }>
    %c = apv.linear %b, %x : (!apv.columns<2, 0, 2>, !apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 3> layer "add" weights <{
      +0+0
      0+0+
    }>
    %r = apv.store %c : !apv.columns<2, 0, 3> -> tensor<?x2x!ternary.int<0, 3>>
    apv.yield %r : tensor<?x2x!ternary.int<0, 3>>
  }
  func.return %r : tensor<?x2x!ternary.int<0, 3>>
}

// What comes before a layer and what comes after it become stages, too.
// CHECK-LABEL: func.func @around
// CHECK:         %[[BEFORE:.*]], %[[OTHER:.*]] = apv.stage
// CHECK:           apv.max
// CHECK:         %[[P1:.*]] = apv.stage
// CHECK-NEXT:      apv.load %[[BEFORE]]
// CHECK-NEXT:      apv.linear {{.*}} -> !apv.columns<1, 0, 2> layer "fc"
// CHECK:         %[[P2:.*]] = apv.stage
// CHECK-NEXT:      apv.load %[[BEFORE]]
// CHECK-NEXT:      apv.linear {{.*}} -> !apv.columns<1, 0, 2> layer "fc"
// CHECK:         %[[WHOLE:.*]] = ternary.concat %[[P1]], %[[P2]]
// CHECK-NEXT:    %[[AFTER:.*]] = apv.stage
// CHECK-NEXT:      apv.load %[[WHOLE]]
// CHECK-NEXT:      apv.max
// CHECK:         func.return %[[WHOLE]], %[[OTHER]], %[[AFTER]]
func.func @around(%q: tensor<?x4x!ternary.int<0, 1>>) -> (tensor<?x2x!ternary.int<0, 2>>, tensor<?x2x!ternary.int<0, 1>>, tensor<?x1x!ternary.int<0, 2>>) {
  %b, %x, %m = apv.stage : tensor<?x2x!ternary.int<0, 2>>, tensor<?x2x!ternary.int<0, 1>>, tensor<?x1x!ternary.int<0, 2>> {
    %l = apv.load %q : tensor<?x4x!ternary.int<0, 1>> -> !apv.columns<4, 0, 1>
    %x = apv.max %l {size = 2 : i64} : !apv.columns<4, 0, 1> -> !apv.columns<2, 0, 1>
    %b = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<2, 0, 2> layer "fc" weights <{
      ++
      +0
    }>
    %b_1 = apv.store %b : !apv.columns<2, 0, 2> -> tensor<?x2x!ternary.int<0, 2>>
    %x_1 = apv.store %x : !apv.columns<2, 0, 1> -> tensor<?x2x!ternary.int<0, 1>>
    %m = apv.max %b {size = 2 : i64} : !apv.columns<2, 0, 2> -> !apv.columns<1, 0, 2>
    %m_1 = apv.store %m : !apv.columns<1, 0, 2> -> tensor<?x1x!ternary.int<0, 2>>
    apv.yield %b_1, %x_1, %m_1 : tensor<?x2x!ternary.int<0, 2>>, tensor<?x2x!ternary.int<0, 1>>, tensor<?x1x!ternary.int<0, 2>>
  }
  func.return %b, %x, %m : tensor<?x2x!ternary.int<0, 2>>, tensor<?x2x!ternary.int<0, 1>>, tensor<?x1x!ternary.int<0, 2>>
}
