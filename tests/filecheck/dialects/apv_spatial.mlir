// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[X:.*]]: tensor<?x2x3x4x!ternary.int<-1, 2>>)
func.func @all(%x: tensor<?x2x3x4x!ternary.int<-1, 2>>) -> tensor<?x3x2x2x!ternary.int<-1, 3>> {
  // CHECK-NEXT: %[[G:.*]] = apv.gather %[[X]] window <kernel 2x2, strides 1x2> : tensor<?x2x3x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<4>>
  %g = apv.gather %x window <kernel 2x2, strides 1x2> : tensor<?x2x3x4x!ternary.int<-1, 2>> -> tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<4>>
  // CHECK-NEXT: %[[P:.*]] = apv.gather %[[X]] window <kernel 1x1, strides 2x3, pads 0x0x1x0> {pad = 3 : i64} : tensor<?x2x3x4x!ternary.int<-1, 2>> -> tensor<?x2x!ternary.int<-1, 3>, #ternary.rows<4>>
  %p = apv.gather %x window <kernel 1x1, strides 2x3, pads 0x0x1x0> {pad = 3 : i64} : tensor<?x2x3x4x!ternary.int<-1, 2>> -> tensor<?x2x!ternary.int<-1, 3>, #ternary.rows<4>>
  // CHECK-NEXT: %[[STAGE:.*]] = apv.stage : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>> {
  %r = apv.stage : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>> {
    // CHECK-NEXT: %[[L:.*]] = apv.load %[[G]]
    %l = apv.load %g : tensor<?x8x!ternary.int<-1, 2>, #ternary.rows<4>> -> !apv.columns<8, -1, 2, rows 4>
    // CHECK-NEXT: %[[O:.*]] = apv.load %[[P]]
    %o = apv.load %p : tensor<?x2x!ternary.int<-1, 3>, #ternary.rows<4>> -> !apv.columns<2, -1, 3, rows 4>
    // CHECK-NEXT: %[[M:.*]] = apv.max %[[L]] {size = 8 : i64} : !apv.columns<8, -1, 2, rows 4> -> !apv.columns<1, -1, 2, rows 4> layer "pool"
    %m = apv.max %l {size = 8 : i64} : !apv.columns<8, -1, 2, rows 4> -> !apv.columns<1, -1, 2, rows 4> layer "pool"
    // CHECK-NEXT: %[[N:.*]] = apv.max %[[O]] {size = 1 : i64} : !apv.columns<2, -1, 3, rows 4> -> !apv.columns<2, -1, 3, rows 4>
    %n = apv.max %o {size = 1 : i64} : !apv.columns<2, -1, 3, rows 4> -> !apv.columns<2, -1, 3, rows 4>
    // CHECK-NEXT: %[[C:.*]] = apv.concat %[[M]], %[[N]] : (!apv.columns<1, -1, 2, rows 4>, !apv.columns<2, -1, 3, rows 4>) -> !apv.columns<3, -1, 3, rows 4>
    %c = apv.concat %m, %n : (!apv.columns<1, -1, 2, rows 4>, !apv.columns<2, -1, 3, rows 4>) -> !apv.columns<3, -1, 3, rows 4>
    // CHECK-NEXT: %[[STORED:.*]] = apv.store %[[C]]
    %r = apv.store %c : !apv.columns<3, -1, 3, rows 4> -> tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>>
    // CHECK-NEXT: apv.yield %[[STORED]] : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>>
    apv.yield %r : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>>
    // CHECK-NEXT: }
  }
  // CHECK-NEXT: %[[Y:.*]] = apv.scatter %[[STAGE]] : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>> -> tensor<?x3x2x2x!ternary.int<-1, 3>>
  %y = apv.scatter %r : tensor<?x3x!ternary.int<-1, 3>, #ternary.rows<4>> -> tensor<?x3x2x2x!ternary.int<-1, 3>>
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x3x2x2x!ternary.int<-1, 3>>
}
