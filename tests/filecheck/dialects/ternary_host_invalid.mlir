// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected an order of 2 dimensions, found [0, 0]
func.func @order(%x: tensor<?x3x4xf32>) {
  %t = ternary.transpose %x {order = array<i64: 0, 0>} : tensor<?x3x4xf32> -> tensor<?x3x3xf32>
  func.return
}

// -----

// CHECK: expected ?x4x3 of the same type, found ?x3x4
func.func @turned(%x: tensor<?x3x4xf32>) {
  %t = ternary.transpose %x {order = array<i64: 1, 0>} : tensor<?x3x4xf32> -> tensor<?x3x4xf32>
  func.return
}

// -----

// CHECK: expected indices from 0 to 2
func.func @index(%x: tensor<?x3xf32>) {
  %t = ternary.take %x {axis = 0 : i64, indices = array<i64: 3>} : tensor<?x3xf32> -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: there is no dimension 1 in samples of ?x3
func.func @axis(%x: tensor<?x3xf32>) {
  %t = ternary.take %x {axis = 1 : i64, indices = array<i64: 0>} : tensor<?x3xf32> -> tensor<?x1xf32>
  func.return
}

// -----

// CHECK: expected a count from 1 to 2, found 3
func.func @count(%a: tensor<?x2x!ternary.int<-9, 9>>) {
  %c = ternary.arg_max %a {count = 3 : i64} : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x3x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected scores of 2 channels, found 1
func.func @scores(%a: tensor<?x2x!ternary.int<-9, 9>>) {
  %c = ternary.arg_max %a {count = 1 : i64} : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 1>> scores <{
    3 -40
  }>
  func.return
}

// -----

// CHECK: expected a factor and an offset, found '3 x'
func.func @score(%a: tensor<?x1x!ternary.int<-9, 9>>) {
  %c = ternary.arg_max %a {count = 1 : i64} : tensor<?x1x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 0>> scores <{
    3 x
  }>
  func.return
}

// -----

// CHECK: expected one of softmax, log_softmax, sigmoid, tanh, {{.*}}erf, found 'relu6'
func.func @function(%y: tensor<?x2xf64>) {
  %p = ternary.activation %y {function = "relu6"} : tensor<?x2xf64> -> tensor<?x2xf32>
  func.return
}

// -----

// CHECK: expected 2 factors a line, found 1
func.func @factors(%a: tensor<?x2x!ternary.int<-9, 9>>, %b: tensor<?x2x!ternary.int<0, 1>>) {
  %y = ternary.dequantize_sum %a, %b : (tensor<?x2x!ternary.int<-9, 9>>, tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2xf32> lines <{
    3 + 7 / 1024
  }>
  func.return
}

// -----

// CHECK: expected a positive divisor, found 0
func.func @divisor(%a: tensor<?x2x!ternary.int<-9, 9>>) {
  %y = ternary.dequantize_sum %a : (tensor<?x2x!ternary.int<-9, 9>>) -> tensor<?x2xf32> lines <{
    3 + 7 / 0
  }>
  func.return
}

// -----

// CHECK: expected factors, an offset and a divisor, '3 -5 + 7 / 1024', found '3 7 / 8'
func.func @line(%a: tensor<?x2x!ternary.int<-9, 9>>) {
  %y = ternary.dequantize_sum %a : (tensor<?x2x!ternary.int<-9, 9>>) -> tensor<?x2xf32> lines <{
    3 7 / 8
  }>
  func.return
}
