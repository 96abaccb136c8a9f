// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[X:.*]]: tensor<?x1x4xf32> {onnx.name = "image"}) -> (tensor<?x2xf64> {onnx.name = "logits"})
func.func @all(%x: tensor<?x1x4xf32> {onnx.name = "image"}) -> (tensor<?x2xf64> {onnx.name = "logits"}) {
  // CHECK-NEXT: %[[Q:.*]] = ternary.quantize %[[X]] : tensor<?x1x4xf32> -> tensor<?x1x4x!ternary.int<0, 3>> layer "in" thresholds <{
  // CHECK-NEXT:   up -inf 5e-324 0.1
  %q = ternary.quantize %x : tensor<?x1x4xf32> -> tensor<?x1x4x!ternary.int<0, 3>> layer "in" thresholds <{
    up -inf 5e-324 0.1
  }>
  // CHECK-NEXT: }>
  // CHECK-NEXT: %[[R:.*]] = ternary.reshape %[[Q]] : tensor<?x1x4x!ternary.int<0, 3>> -> tensor<?x4x!ternary.int<0, 3>>
  %r = ternary.reshape %q : tensor<?x1x4x!ternary.int<0, 3>> -> tensor<?x4x!ternary.int<0, 3>>
  // CHECK-NEXT: %[[A:.*]] = ternary.matmul %[[R]] : tensor<?x4x!ternary.int<0, 3>> -> tensor<?x2x!ternary.int<-6, 3>> layer "fc" weights <{
  // CHECK-NEXT:   +0--
  // CHECK-NEXT:   0000
  // CHECK-NEXT: }>
  %a = ternary.matmul %r : tensor<?x4x!ternary.int<0, 3>> -> tensor<?x2x!ternary.int<-6, 3>> layer "fc" weights <{
    +0--
    0000
  }>
  // CHECK-NEXT: %[[T:.*]] = ternary.threshold %[[A]] : tensor<?x2x!ternary.int<-6, 3>> -> tensor<?x2x!ternary.int<-1, 1>> layer "act" thresholds <{
  // CHECK-NEXT:   up -6 4
  // CHECK-NEXT:   down 0 0
  // CHECK-NEXT: }>
  %t = ternary.threshold %a : tensor<?x2x!ternary.int<-6, 3>> -> tensor<?x2x!ternary.int<-1, 1>> layer "act" thresholds <{
    up -6 4
    down 0 0
  }>
  // CHECK-NEXT: %[[B:.*]] = ternary.matmul %[[T]] : tensor<?x2x!ternary.int<-1, 1>> -> tensor<?x2x!ternary.int<-130, 130>> weights <{
  // CHECK-NEXT:   -128 2
  // CHECK-NEXT:   0 7
  // CHECK-NEXT: }>
  %b = ternary.matmul %t : tensor<?x2x!ternary.int<-1, 1>> -> tensor<?x2x!ternary.int<-130, 130>> weights <{
    -128  2
    0     7
  }>
  // CHECK-NEXT: %[[Y:.*]] = ternary.dequantize %[[B]] layer "out" {scale = array<f64: 5.000000e-01, 1.500000e+00>, offset = array<f64: 0.000000e+00>} : tensor<?x2x!ternary.int<-130, 130>> -> tensor<?x2xf64>
  %y = ternary.dequantize %b layer "out" {scale = array<f64: 0.5, 1.5>, offset = array<f64: 0.0>} : tensor<?x2x!ternary.int<-130, 130>> -> tensor<?x2xf64>
  // CHECK-NEXT: func.return %[[Y]] : tensor<?x2xf64>
  func.return %y : tensor<?x2xf64>
}
