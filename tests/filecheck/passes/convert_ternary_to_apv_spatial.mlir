// RUN: camc opt %s -p convert-ternary-to-apv | filecheck %s

// Windows are gathered into rows and weights become an adder graph; thresholds work on the same rows, which then go
// back to images.
// CHECK-LABEL: func.func @conv
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x3x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 2x2, pads 1x0x0x1> {pad = 1 : i64} : tensor<?x1x3x3x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT: %[[L1:.*]] = apv.load %[[G1]] : tensor<?x4x!ternary.int<0, 1>, #ternary.rows<9>> -> !apv.columns<4, 0, 1, rows 9>
// CHECK-NEXT: %[[L2:.*]] = apv.linear %[[L1]] {kernel_size = 4 : i64} : (!apv.columns<4, 0, 1, rows 9>) -> !apv.columns<2, -2, 2, rows 9> layer "conv" graph <{
// CHECK-NEXT:   inputs 4 in 0..1
// CHECK-NEXT:   %4 = %0 - %2 : i2
// CHECK-NEXT:   %5 = %4 + %3 : i3
// CHECK-NEXT:   %6 = %1 + %2 : u2
// CHECK-NEXT:   out %5
// CHECK-NEXT:   out -%6
// CHECK-NEXT: }>
// CHECK-NEXT: %[[T1:.*]] = apv.threshold %[[L2]] : !apv.columns<2, -2, 2, rows 9> -> !apv.columns<2, 0, 1, rows 9> layer "act" thresholds <{
// CHECK-NEXT:   up 0
// CHECK-NEXT: }>
// CHECK-NEXT: %[[S1:.*]] = apv.store %[[T1]] : !apv.columns<2, 0, 1, rows 9> -> tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>>
// CHECK-NEXT: %[[S2:.*]] = apv.scatter %[[S1]] : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<0, 1>>
// CHECK-NEXT: func.return %[[S2]] : tensor<?x2x3x3x!ternary.int<0, 1>>
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
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 2x2, strides 2x2, pads 1x0x1x0> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT: %[[L1:.*]] = apv.load %[[G1]] : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<6>> -> !apv.columns<8, -1, 2, rows 6>
// CHECK-NEXT: %[[M1:.*]] = apv.max %[[L1]] {size = 4 : i64} : !apv.columns<8, -1, 2, rows 6> -> !apv.columns<2, -1, 2, rows 6> layer "max"
// CHECK-NEXT: %[[G2:.*]] = apv.gather %[[X]] window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>>
// CHECK-NEXT: %[[L2:.*]] = apv.load %[[G2]] : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<9>> -> !apv.columns<8, -1, 2, rows 9>
// CHECK-NEXT: %[[L3:.*]] = apv.linear %[[L2]] {kernel_size = 4 : i64} : (!apv.columns<8, -1, 2, rows 9>) -> !apv.columns<2, -4, 8, rows 9> layer "avg" graph <{
// CHECK-NEXT:   inputs 8 in -1..2
// CHECK-NEXT:   %8 = %0 + %1 : i4
// CHECK-NEXT:   %9 = %8 + %2 : i4
// CHECK-NEXT:   %10 = %9 + %3 : i5
// CHECK-NEXT:   %11 = %4 + %5 : i4
// CHECK-NEXT:   %12 = %11 + %6 : i4
// CHECK-NEXT:   %13 = %12 + %7 : i5
// CHECK-NEXT:   out %10
// CHECK-NEXT:   out %13
// CHECK-NEXT: }>
// CHECK-NEXT: %[[S1:.*]] = apv.store %[[M1]] : !apv.columns<2, -1, 2, rows 6> -> tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>>
// CHECK-NEXT: %[[S2:.*]] = apv.scatter %[[S1]] : tensor<?x2x!ternary.int<-1, 2>, #ternary.rows<6>> -> tensor<?x2x3x2x!ternary.int<-1, 2>>
// CHECK-NEXT: %[[S3:.*]] = apv.store %[[L3]] : !apv.columns<2, -4, 8, rows 9> -> tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>>
// CHECK-NEXT: %[[S4:.*]] = apv.scatter %[[S3]] : tensor<?x2x!ternary.int<-4, 8>, #ternary.rows<9>> -> tensor<?x2x3x3x!ternary.int<-4, 8>>
// CHECK-NEXT: func.return %[[S2]], %[[S4]] : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
func.func @pool(%x: tensor<?x2x4x4x!ternary.int<-1, 2>>) -> (tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>) {
  %m = ternary.max_pool %x window <kernel 2x2, strides 2x2, pads 1x0x1x0> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x2x3x2x!ternary.int<-1, 2>> layer "max"
  %s = ternary.sum_pool %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x2x3x3x!ternary.int<-4, 8>> layer "avg"
  func.return %m, %s : tensor<?x2x3x2x!ternary.int<-1, 2>>, tensor<?x2x3x3x!ternary.int<-4, 8>>
}

// Two stages: the second convolution reads windows of the first one's stored result, which also comes back row by row for
// the addition.
// CHECK-LABEL: func.func @residual
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x2x2x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[G1:.*]] = apv.gather %[[X]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[L1:.*]] = apv.load %[[G1]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
// CHECK-NEXT: %[[L2:.*]] = apv.linear %[[L1]] : (!apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, 0, 1, rows 4> layer "point" graph <{
// CHECK-NEXT:   inputs 1 in 0..1
// CHECK-NEXT:   out %0
// CHECK-NEXT: }>
// CHECK-NEXT: %[[S1:.*]] = apv.store %[[L2]] : !apv.columns<1, 0, 1, rows 4> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[S2:.*]] = apv.scatter %[[S1]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<0, 1>>
// CHECK-NEXT: %[[G2:.*]] = apv.gather %[[S2]] window <kernel 3x3, pads 1x1x1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[L3:.*]] = apv.load %[[G2]] : tensor<?x9x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<9, 0, 1, rows 4>
// CHECK-NEXT: %[[L4:.*]] = apv.linear %[[L3]] {kernel_size = 9 : i64} : (!apv.columns<9, 0, 1, rows 4>) -> !apv.columns<1, -2, 2, rows 4> layer "conv" graph <{
// CHECK-NEXT:   inputs 9 in 0..1
// CHECK-NEXT:   %9 = %0 - %2 : i2
// CHECK-NEXT:   %10 = %9 + %4 : i3
// CHECK-NEXT:   %11 = %10 - %6 : i3
// CHECK-NEXT:   out %11
// CHECK-NEXT: }>
// CHECK-NEXT: %[[G3:.*]] = apv.gather %[[S2]] window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>
// CHECK-NEXT: %[[L5:.*]] = apv.load %[[G3]] : tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>> -> !apv.columns<1, 0, 1, rows 4>
// CHECK-NEXT: %[[L6:.*]] = apv.linear %[[L4]], %[[L5]] : (!apv.columns<1, -2, 2, rows 4>, !apv.columns<1, 0, 1, rows 4>) -> !apv.columns<1, -2, 5, rows 4> layer "add" graph <{
// CHECK-NEXT:   inputs 1 in -2..2
// CHECK-NEXT:   inputs 1 in 0..1
// CHECK-NEXT:   %2 = %0 - %1 : i3
// CHECK-NEXT:   %3 = %2 + %1<<2 : i4
// CHECK-NEXT:   out %3
// CHECK-NEXT: }>
// CHECK-NEXT: %[[S3:.*]] = apv.store %[[L6]] : !apv.columns<1, -2, 5, rows 4> -> tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>>
// CHECK-NEXT: %[[S4:.*]] = apv.scatter %[[S3]] : tensor<?x1x!ternary.int<-2, 5>, #ternary.rows<4>> -> tensor<?x1x2x2x!ternary.int<-2, 5>>
// CHECK-NEXT: func.return %[[S4]] : tensor<?x1x2x2x!ternary.int<-2, 5>>
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
