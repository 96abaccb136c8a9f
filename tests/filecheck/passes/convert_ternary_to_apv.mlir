// RUN: camc opt %s -p convert-ternary-to-apv | filecheck %s

// CHECK-LABEL: func.func @network
func.func @network(%x: tensor<?x1x2x2xf32> {onnx.name = "x"}) -> (tensor<?x2xf32> {onnx.name = "y"}) {
  // CHECK-NEXT: %[[Q:.*]] = ternary.quantize
  %q = ternary.quantize %x : tensor<?x1x2x2xf32> -> tensor<?x1x2x2x!ternary.int<0, 1>> thresholds <{
    up 0.5
  }>
  // CHECK:      %[[R:.*]] = ternary.reshape %[[Q]] : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>>
  // CHECK-NEXT: %[[STAGE:.*]] = apv.stage : tensor<?x2x!ternary.int<0, 1>> {
  // CHECK-NEXT: %[[L:.*]] = apv.load %[[R]] : tensor<?x4x!ternary.int<0, 1>> -> !apv.columns<4, 0, 1>
  %r = ternary.reshape %q : tensor<?x1x2x2x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 1>>
  // CHECK-NEXT: %[[A:.*]] = apv.linear %[[L]] : (!apv.columns<4, 0, 1>) -> !apv.columns<2, -3, 2> layer "fc" weights <{
  // CHECK-NEXT:   +0-+
  // CHECK-NEXT:   --0-
  // CHECK-NEXT: }>
  %a = ternary.matmul %r : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<-3, 2>> layer "fc" weights <{
    +0-+
    --0-
  }>
  // CHECK-NEXT: %[[T:.*]] = apv.threshold %[[A]] : !apv.columns<2, -3, 2> -> !apv.columns<2, 0, 1> layer "act" thresholds <{
  // CHECK-NEXT:   up 0
  // CHECK-NEXT:   down -1
  // CHECK-NEXT: }>
  %t = ternary.threshold %a : tensor<?x2x!ternary.int<-3, 2>> -> tensor<?x2x!ternary.int<0, 1>> layer "act" thresholds <{
    up 0
    down -1
  }>
  // CHECK-NEXT: %[[S:.*]] = apv.store %[[T]] : !apv.columns<2, 0, 1> -> tensor<?x2x!ternary.int<0, 1>>
  // CHECK-NEXT: apv.yield %[[S]] : tensor<?x2x!ternary.int<0, 1>>
  // CHECK-NEXT: }
  // CHECK-NEXT: %[[Y:.*]] = ternary.dequantize %[[STAGE]] {{.*}}
  %y = ternary.dequantize %t {scale = array<f64: 0.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2xf32>
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x2xf32>
}

// Weights of more bits stay as they are.
// CHECK-LABEL: func.func @digits
func.func @digits(%x: tensor<?x2x!ternary.int<-1, 1>>) -> tensor<?x3x!ternary.int<-8, 8>> {
  // CHECK:      weights <{
  // CHECK-NEXT:   7 1
  // CHECK-NEXT:   0 0
  // CHECK-NEXT:   4 2
  %a = ternary.matmul %x : tensor<?x2x!ternary.int<-1, 1>> -> tensor<?x3x!ternary.int<-8, 8>> weights <{
    7 1
    0 0
    4 2
  }>
  func.return %a : tensor<?x3x!ternary.int<-8, 8>>
}

// Positions of an image become rows: a pixel is a sample of the array.
// CHECK-LABEL: func.func @positions
// CHECK-SAME:    (%[[X:.*]]: tensor<?x2x1x2x!ternary.int<0, 3>>)
func.func @positions(%x: tensor<?x2x1x2x!ternary.int<0, 3>>) -> tensor<?x2x1x2x!ternary.int<0, 1>> {
  // CHECK-NEXT: %[[G:.*]] = apv.gather %[[X]] window <kernel 1x1>
  // CHECK-NEXT: %[[STAGE:.*]] = apv.stage : tensor<?x2x!ternary.int<0, 1>, #ternary.rows<2>> {
  // CHECK-NEXT: %[[L:.*]] = apv.load %[[G]]
  // CHECK-NEXT: %[[A:.*]] = apv.threshold %[[L]]
  // CHECK-NEXT:   up 1
  // CHECK-NEXT:   down 2
  // CHECK-NEXT: }>
  %a = ternary.threshold %x : tensor<?x2x1x2x!ternary.int<0, 3>> -> tensor<?x2x1x2x!ternary.int<0, 1>> thresholds <{
    up 1
    down 2
  }>
  // CHECK-NEXT: %[[S:.*]] = apv.store %[[A]]
  // CHECK-NEXT: apv.yield %[[S]]
  // CHECK-NEXT: }
  // CHECK-NEXT: %[[R:.*]] = apv.scatter %[[STAGE]]
  // CHECK-NEXT: func.return %[[R]]
  func.return %a : tensor<?x2x1x2x!ternary.int<0, 1>>
}
