// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: an integer range goes from the lower to the higher end, found 3, 0
func.func @range(%x: tensor<?x4x!ternary.int<3, 0>>) {
  func.return
}

// -----

// CHECK: weights with 3 columns need an input (batch, 3), found ?x4
func.func @columns(%x: tensor<?x4x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    +0-
  }>
  func.return
}

// -----

// CHECK: expected a result (batch, 2), found ?x1
func.func @rows(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    +0-
    000
  }>
  func.return
}

// -----

// CHECK: the sums reach -1..1, which the result's range 0..1 does not cover
func.func @sums(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 1>> weights <{
    +0-
  }>
  func.return
}

// -----

// CHECK: the sums reach 0..9223372032559808512, which the result's range -1..1 does not cover
func.func @huge(%x: tensor<?x4x!ternary.int<0, 2147483647>>) {
  %a = ternary.matmul %x : tensor<?x4x!ternary.int<0, 2147483647>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    1073741824 1073741824 1073741824 1073741824
  }>
  func.return
}

// -----

// CHECK: row 1 has 2 entries, the rows above have 3
func.func @ragged(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x2x!ternary.int<-1, 1>> weights <{
    +0-
    +0
  }>
  func.return
}

// -----

// CHECK: expected integers, found '+0x'
func.func @letters(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    +0x
  }>
  func.return
}

// -----

// CHECK: '<{' of #ternary.matrix is never closed by '}>'
func.func @unclosed(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %a = ternary.matmul %x : tensor<?x3x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> weights <{
    +0-
  func.return
}

// -----

// CHECK: a result from 0 to 2 needs 2 thresholds per channel, found 1
func.func @levels(%x: tensor<?x3x!ternary.int<0, 9>>) {
  %a = ternary.threshold %x : tensor<?x3x!ternary.int<0, 9>> -> tensor<?x3x!ternary.int<0, 2>> thresholds <{
    up 4
  }>
  func.return
}

// -----

// CHECK: expected thresholds for 1 or 3 channels, found 2
func.func @channels(%x: tensor<?x3x!ternary.int<0, 9>>) {
  %a = ternary.threshold %x : tensor<?x3x!ternary.int<0, 9>> -> tensor<?x3x!ternary.int<0, 1>> thresholds <{
    up 4
    down 4
  }>
  func.return
}

// -----

// CHECK: the thresholds of channel 1 are not in ascending order
func.func @order(%x: tensor<?x2x!ternary.int<0, 9>>) {
  %a = ternary.threshold %x : tensor<?x2x!ternary.int<0, 9>> -> tensor<?x2x!ternary.int<0, 2>> thresholds <{
    up 4 4
    up 5 4
  }>
  func.return
}

// -----

// CHECK: thresholds of an input 0..9 lie in 0..10, found 4..11
func.func @reach(%x: tensor<?x2x!ternary.int<0, 9>>) {
  %a = ternary.threshold %x : tensor<?x2x!ternary.int<0, 9>> -> tensor<?x2x!ternary.int<0, 2>> thresholds <{
    up 4 11
  }>
  func.return
}

// -----

// CHECK: expected 'up' or 'down', found 'sideways'
func.func @direction(%x: tensor<?x2x!ternary.int<0, 9>>) {
  %a = ternary.threshold %x : tensor<?x2x!ternary.int<0, 9>> -> tensor<?x2x!ternary.int<0, 1>> thresholds <{
    sideways 4
  }>
  func.return
}

// -----

// CHECK: a threshold is not a number
func.func @nan(%x: tensor<?x2xf32>) {
  %a = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> thresholds <{
    up nan
  }>
  func.return
}

// -----

// CHECK: input and result differ in shape
func.func @shape(%x: tensor<?x2xf32>) {
  %a = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x3x!ternary.int<0, 1>> thresholds <{
    up 0.5
  }>
  func.return
}

// -----

// CHECK: the shapes hold different numbers of values per sample: ?x4 -> ?x2x3
func.func @reshape(%x: tensor<?x4x!ternary.int<0, 1>>) {
  %a = ternary.reshape %x : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x2x3x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: the batch dimension can't change: ?x4 -> 4x?
func.func @batch(%x: tensor<?x4x!ternary.int<0, 1>>) {
  %a = ternary.reshape %x : tensor<?x4x!ternary.int<0, 1>> -> tensor<4x?x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: a reshape keeps the element type
func.func @element(%x: tensor<?x4x!ternary.int<0, 1>>) {
  %a = ternary.reshape %x : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x4x!ternary.int<0, 2>>
  func.return
}

// -----

// CHECK: expected 1 or 4 f64 values of scale, found 2
func.func @scale(%x: tensor<?x4x!ternary.int<0, 1>>) {
  %a = ternary.dequantize %x {scale = array<f64: 1.0, 2.0>, offset = array<f64: 0.0>} : tensor<?x4x!ternary.int<0, 1>> -> tensor<?x4xf32>
  func.return
}
