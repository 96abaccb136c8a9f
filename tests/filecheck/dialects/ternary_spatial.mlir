// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME:    (%[[X:.*]]: tensor<?x2x4x4x!ternary.int<-1, 2>>)
func.func @all(%x: tensor<?x2x4x4x!ternary.int<-1, 2>>) -> tensor<?x8x1x2x!ternary.int<-99, 74>> {
  // Parts of a window that have their defaults are not printed; the others are, in one order.
  // CHECK-NEXT: %[[A:.*]] = ternary.conv %[[X]] window <kernel 3x1, strides 2x2, pads 1x0x0x1, dilations 1x2> {groups = 2 : i64, pad = 3 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x4x2x3x!ternary.int<-6, 9>> layer "conv1" weights <{
  // CHECK-NEXT:   +0-
  // CHECK-NEXT:   000
  // CHECK-NEXT:   +++
  // CHECK-NEXT:   --0
  // CHECK-NEXT: }>
  %a = ternary.conv %x window <pads 1x0x0x1, dilations 1x2, kernel 3x1, strides 2x2> {groups = 2 : i64, pad = 3 : i64} : tensor<?x2x4x4x!ternary.int<-1, 2>> -> tensor<?x4x2x3x!ternary.int<-6, 9>> layer "conv1" weights <{
    +0-
    000
    +++
    --0
  }>
  // CHECK-NEXT: %[[M:.*]] = ternary.max_pool %[[A]] window <kernel 2x2> : tensor<?x4x2x3x!ternary.int<-6, 9>> -> tensor<?x4x1x2x!ternary.int<-6, 9>> layer "max"
  %m = ternary.max_pool %a window <kernel 2x2, strides 1x1, pads 0x0x0x0, dilations 1x1> : tensor<?x4x2x3x!ternary.int<-6, 9>> -> tensor<?x4x1x2x!ternary.int<-6, 9>> layer "max"
  // CHECK-NEXT: %[[S:.*]] = ternary.sum_pool %[[A]] window <kernel 2x2, pads 1x0x0x0> {pad = -7 : i64} : tensor<?x4x2x3x!ternary.int<-6, 9>> -> tensor<?x4x2x2x!ternary.int<-28, 36>> layer "avg"
  %s = ternary.sum_pool %a window <kernel 2x2, pads 1x0x0x0> {pad = -7 : i64} : tensor<?x4x2x3x!ternary.int<-6, 9>> -> tensor<?x4x2x2x!ternary.int<-28, 36>> layer "avg"
  // CHECK-NEXT: %[[U:.*]] = ternary.max_pool %[[S]] window <kernel 2x1> : tensor<?x4x2x2x!ternary.int<-28, 36>> -> tensor<?x4x1x2x!ternary.int<-28, 36>>
  %u = ternary.max_pool %s window <kernel 2x1> : tensor<?x4x2x2x!ternary.int<-28, 36>> -> tensor<?x4x1x2x!ternary.int<-28, 36>>
  // CHECK-NEXT: %[[B:.*]] = ternary.combine %[[M]], %[[U]] : (tensor<?x4x1x2x!ternary.int<-6, 9>>, tensor<?x4x1x2x!ternary.int<-28, 36>>) -> tensor<?x4x1x2x!ternary.int<-74, 99>> layer "add" multipliers <{
  // CHECK-NEXT:   3 2
  // CHECK-NEXT:   -1 0
  // CHECK-NEXT:   0 1
  // CHECK-NEXT:   1 1
  // CHECK-NEXT: }>
  %b = ternary.combine %m, %u : (tensor<?x4x1x2x!ternary.int<-6, 9>>, tensor<?x4x1x2x!ternary.int<-28, 36>>) -> tensor<?x4x1x2x!ternary.int<-74, 99>> layer "add" multipliers <{
     3 2
    -1 0
     0 1
     1 1
  }>
  // CHECK-NEXT: %[[J:.*]] = ternary.concat %[[B]], %[[M]] : (tensor<?x4x1x2x!ternary.int<-74, 99>>, tensor<?x4x1x2x!ternary.int<-6, 9>>) -> tensor<?x8x1x2x!ternary.int<-74, 99>>
  %j = ternary.concat %b, %m : (tensor<?x4x1x2x!ternary.int<-74, 99>>, tensor<?x4x1x2x!ternary.int<-6, 9>>) -> tensor<?x8x1x2x!ternary.int<-74, 99>>
  // CHECK-NEXT: %[[N:.*]] = ternary.combine %[[J]] : (tensor<?x8x1x2x!ternary.int<-74, 99>>) -> tensor<?x8x1x2x!ternary.int<-99, 74>> multipliers <{
  // CHECK-NEXT:   -
  // CHECK-NEXT: }>
  %n = ternary.combine %j : (tensor<?x8x1x2x!ternary.int<-74, 99>>) -> tensor<?x8x1x2x!ternary.int<-99, 74>> multipliers <{
    -
  }>
  // CHECK-NEXT: func.return %[[N]] : tensor<?x8x1x2x!ternary.int<-99, 74>>
  func.return %n : tensor<?x8x1x2x!ternary.int<-99, 74>>
}
