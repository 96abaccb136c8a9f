// RUN: camc opt %s | camc opt | filecheck %s

// CHECK-LABEL: func.func @orders
// CHECK-NEXT: ternary.transpose %{{.*}} {order = array<i64: 1, 2, 0>} : tensor<?x3x4x5xf32> -> tensor<?x4x5x3xf32>
// CHECK-NEXT: ternary.take %{{.*}} {axis = 1 : i64, indices = array<i64: 2, 0, 2>} : tensor<?x3x4x5xf32> -> tensor<?x3x3x5xf32>
func.func @orders(%x: tensor<?x3x4x5xf32>) {
  %t = ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x3x4x5xf32> -> tensor<?x4x5x3xf32>
  %s = ternary.take %x {axis = 1 : i64, indices = array<i64: 2, 0, 2>} : tensor<?x3x4x5xf32> -> tensor<?x3x3x5xf32>
  func.return
}

// CHECK-LABEL: func.func @ends
// CHECK-NEXT: ternary.arg_max %{{.*}} {count = 1 : i64, last} : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 1>> layer "class"
// CHECK-NEXT: ternary.arg_max %{{.*}} {count = 2 : i64} : {{.*}} -> tensor<?x2x!ternary.int<0, 1>> scores <{
// CHECK-NEXT: 3 -40
// CHECK-NEXT: -123456789012345678901234567890 0
// CHECK-NEXT: }>
// CHECK-NEXT: ternary.activation %{{.*}} {function = "softmax"} : tensor<?x2xf64> -> tensor<?x2xf32> layer "p"
func.func @ends(%a: tensor<?x2x!ternary.int<-9, 9>>, %y: tensor<?x2xf64>) {
  %c = ternary.arg_max %a {count = 1 : i64, last} : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x1x!ternary.int<0, 1>> layer "class"
  %d = ternary.arg_max %a {count = 2 : i64} : tensor<?x2x!ternary.int<-9, 9>> -> tensor<?x2x!ternary.int<0, 1>> scores <{
    3 -40
    -123456789012345678901234567890 0
  }>
  %p = ternary.activation %y {function = "softmax"} : tensor<?x2xf64> -> tensor<?x2xf32> layer "p"
  func.return
}

// CHECK-LABEL: func.func @sum
// CHECK-NEXT: ternary.dequantize_sum %{{.*}}, %{{.*}} : ({{.*}}) -> tensor<?x2xf32> layer "out" lines <{
// CHECK-NEXT: 3 -5 + 7 / 1024
// CHECK-NEXT: 123456789012345678901234567890 0 + -1 / 3
// CHECK-NEXT: }>
func.func @sum(%a: tensor<?x2x!ternary.int<-9, 9>>, %b: tensor<?x2x!ternary.int<0, 1>>) {
  %y = ternary.dequantize_sum %a, %b : (tensor<?x2x!ternary.int<-9, 9>>, tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2xf32> layer "out" lines <{
    3 -5 + 7 / 1024
    123456789012345678901234567890 0 + -1 / 3
  }>
  func.return
}
