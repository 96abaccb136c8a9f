// RUN: camc opt %s -p convert-ternary-to-apv | filecheck %s

// Windows are gathered into rows and weights become an adder graph; thresholds work on the same rows, which then go
// back to images.
// CHECK-LABEL: func.func @conv
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x3x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[X_1:.*]] = apv.gather %[[X]] window <kernel 2x2, pads 1x0x0x1> {pad = 1 : i64} : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT: %[[T:.*]] = apv.stage : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> {
// CHECK-NEXT:   %[[X_2:.*]] = apv.load %[[X_1]] : tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>> -> !apv.columns<4, 0, 1, rows 9>
// CHECK-NEXT:   %[[A:.*]] = apv.linear %[[X_2]] {kernel_size = 4 : i64} : (!apv.columns<4, 0, 1, rows 9>) -> !apv.columns<2, -2, 2, rows 9> layer "conv" weights <{
// CHECK-NEXT:     +0-+
// CHECK-NEXT:     0--0
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T_1:.*]] = apv.threshold %[[A]] : !apv.columns<2, -2, 2, rows 9> -> !apv.columns<2, 0, 1, rows 9> layer "act" thresholds <{
// CHECK-NEXT:     up 0
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[T_2:.*]] = apv.store %[[T_1]] : !apv.columns<2, 0, 1, rows 9> -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT:   apv.yield %[[T_2]] : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[T_3:.*]] = apv.scatter %[[T]] : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<0, 1>>
// CHECK-NEXT: func.return %[[T_3]] : tensor<?x2x3x3x!ternary.int<0, 1>>
func.func @conv(%x: tensor<?x1x3x3x!ternary.int<0, 1>>) -> tensor<?x2x3x3x!ternary.int<0, 1>> {
  %a = ternary.conv %x window <kernel 2x2, pads 1x0x0x1> {pad = 1 : i64} : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x2x3x3x!ternary.int<-2, 2>> layer "conv" weights <{
    +0-+
    0--0
  }>
  %t = ternary.threshold %a : tensor<?x2x3x3x!ternary.int<-2, 2>> -> tensor<?x2x3x3x!ternary.int<0, 1>> layer "act" thresholds <{
    up 0
  }>
  func.return %t : tensor<?x2x3x3x!ternary.int<0, 1>>
}

// Each window has rows of its own. What is outside an image never wins against the lowest value.
// CHECK-LABEL: func.func @pool
// CHECK-SAME:    (%[[X:.*]]: tensor<?x2x4x4x!ternary.int<-1, 2>>)
// CHECK-NEXT: %[[X_1:.*]] = apv.gather %[[X]] window <kernel 2x2, strides 2x2, pads 1x0x1x0> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT: %[[X_2:.*]] = apv.gather %[[X]] window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>>
// CHECK-NEXT: %[[M:.*]] = apv.stage : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> {
// CHECK-NEXT:   %[[X_3:.*]] = apv.load %[[X_1]] : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>> -> !apv.columns<8, -1, 2, rows 6>
// CHECK-NEXT:   %[[M_1:.*]] = apv.max %[[X_3]] {size = 4 : i64} : !apv.columns<8, -1, 2, rows 6> -> !apv.columns<2, -1, 2, rows 6> layer "max"
// CHECK-NEXT:   %[[M_2:.*]] = apv.store %[[M_1]] : !apv.columns<2, -1, 2, rows 6> -> tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT:   apv.yield %[[M_2]] : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[M_3:.*]] = apv.scatter %[[M]] : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> -> tensor<?x2x3x2x!ternary.int<-1, 2>>
// CHECK-NEXT: %[[S:.*]] = apv.stage : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> {
// CHECK-NEXT:   %[[X_4:.*]] = apv.load %[[X_2]] : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>> -> !apv.columns<8, -1, 2, rows 9>
// CHECK-NEXT:   %[[S_1:.*]] = apv.linear %[[X_4]] {kernel_size = 4 : i64} : (!apv.columns<8, -1, 2, rows 9>) -> !apv.columns<2, -4, 8, rows 9> layer "avg" weights <{
// CHECK-NEXT:     ++++0000
// CHECK-NEXT:     0000++++
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[S_2:.*]] = apv.store %[[S_1]] : !apv.columns<2, -4, 8, rows 9> -> tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>>
// CHECK-NEXT:   apv.yield %[[S_2]] : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[S_3:.*]] = apv.scatter %[[S]] : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<-4, 8>>
// CHECK-NEXT: func.return %[[M_3]], %[[S_3]] : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
func.func @pool(%x: tensor<?x2x4x4x!ternary.int<-1, 2>>) -> (tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>) {
  %m = ternary.max_pool %x window <kernel 2x2, strides 2x2, pads 1x0x1x0> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x2x3x2x!ternary.int<-1, 2>> layer "max"
  %s = ternary.sum_pool %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x2x3x3x!ternary.int<-4, 8>> layer "avg"
  func.return %m, %s : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
}

// Two stages: the second convolution reads windows of the first one's stored result, which also comes back row by row for
// the addition.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x2x2x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[X_1:.*]] = apv.gather %[[X]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[A:.*]] = apv.stage : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> {
// CHECK-NEXT:   %[[X_2:.*]] = apv.load %[[X_1]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
// CHECK-NEXT:   %[[A_1:.*]] = apv.linear %[[X_2]] : (!apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, 0, 1, rows 4> layer "point" weights <{
// CHECK-NEXT:     +
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[A_2:.*]] = apv.store %[[A_1]] : !apv.columns<1, 0, 1, rows 4> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT:   apv.yield %[[A_2]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[A_3:.*]] = apv.scatter %[[A]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<0, 1>>
// CHECK-NEXT: %[[A_4:.*]] = apv.gather %[[A_3]] window <kernel 3x3, pads 1x1x1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[A_5:.*]] = apv.gather %[[A_3]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[C:.*]] = apv.stage : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> {
// CHECK-NEXT:   %[[A_6:.*]] = apv.load %[[A_4]] : tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<9, 0, 1, rows 4>
// CHECK-NEXT:   %[[B:.*]] = apv.linear %[[A_6]] {kernel_size = 9 : i64} : (!apv.columns<9, 0, 1, rows 4>) -> !apv.columns<1, -2, 2, rows 4> layer "conv" weights <{
// CHECK-NEXT:     +0-0+0-00
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[A_7:.*]] = apv.load %[[A_5]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
// CHECK-NEXT:   %[[C_1:.*]] = apv.linear %[[B]], %[[A_7]] : (!apv.columns<1, -2, 2, rows 4>, !apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, -2, 5, rows 4> layer "add" weights <{
// CHECK-NEXT:     1 3
// CHECK-NEXT:   }>
// CHECK-NEXT:   %[[C_2:.*]] = apv.store %[[C_1]] : !apv.columns<1, -2, 5, rows 4> -> tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>>
// CHECK-NEXT:   apv.yield %[[C_2]] : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>>
// CHECK-NEXT: }
// CHECK-NEXT: %[[C_3:.*]] = apv.scatter %[[C]] : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<-2, 5>>
// CHECK-NEXT: func.return %[[C_3]] : tensor<?x1x2x2x!ternary.int<-2, 5>>
func.func @residual(%x: tensor<?x1x2x2x!ternary.int<0, 1>>) -> tensor<?x1x2x2x!ternary.int<-2, 5>> {
  %a = ternary.conv %x window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x2x2x!ternary.int<0, 1>> layer "point" weights <{
    +
  }>
  %b = ternary.conv %a window <kernel 3x3, pads 1x1x1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x2x2x!ternary.int<-2, 2>> layer "conv" weights <{
    +0-0+0-00
  }>
  %c = ternary.combine %b, %a : (tensor<?x1x2x2x!ternary.int<-2, 2>>, tensor<?x1x2x2x!ternary.int<0, 1>>) -> tensor<?x1x2x2x!ternary.int<-2, 5>> layer "add" multipliers <{
    1 3
  }>
  func.return %c : tensor<?x1x2x2x!ternary.int<-2, 5>>
}
