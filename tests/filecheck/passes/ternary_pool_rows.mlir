// RUN: camc opt %s -p ternary-pool-rows | filecheck %s

// A global average with the thresholds that follow: one row per channel.
// CHECK-LABEL: func.func @average
// CHECK:      %[[R:.*]] = ternary.reshape %{{.*}} -> tensor<?x1x16x4x!ternary.int<0, 3>>
// CHECK-NEXT: %[[P:.*]] = ternary.sum_pool %[[R]] window <kernel 4x4, strides 4x1> {{.*}} -> tensor<?x1x4x1x!ternary.int<0, 48>>
// CHECK-NEXT: %[[T:.*]] = ternary.threshold %[[P]] {{.*}} thresholds <{
// CHECK-NEXT: up 16 32
// CHECK-NEXT: }>
// CHECK-NEXT: ternary.reshape %[[T]] {{.*}} -> tensor<?x4x1x1x!ternary.int<0, 2>>
func.func @average(%x: tensor<?x4x4x4x!ternary.int<0, 3>>) -> tensor<?x4x1x1x!ternary.int<0, 2>> {
  %p = ternary.sum_pool %x window <kernel 4x4> : tensor<?x4x4x4x!ternary.int<0, 3>> -> tensor<?x4x1x1x!ternary.int<0, 48>>
  %t = ternary.threshold %p : tensor<?x4x1x1x!ternary.int<0, 48>> -> tensor<?x4x1x1x!ternary.int<0, 2>> thresholds <{
    up 16 32
  }>
  func.return %t : tensor<?x4x1x1x!ternary.int<0, 2>>
}

// Windows that don't overlap downwards.
// CHECK-LABEL: func.func @greatest
// CHECK: ternary.max_pool %{{.*}} window <kernel 2x2, strides 2x1> {{.*}} -> tensor<?x1x6x3x!ternary.int<0, 3>>
func.func @greatest(%x: tensor<?x3x4x4x!ternary.int<0, 3>>) -> tensor<?x3x2x3x!ternary.int<0, 3>> {
  %p = ternary.max_pool %x window <kernel 2x2, strides 2x1> : tensor<?x3x4x4x!ternary.int<0, 3>> -> tensor<?x3x2x3x!ternary.int<0, 3>>
  func.return %p : tensor<?x3x2x3x!ternary.int<0, 3>>
}

// Windows that would reach into the next channel: they overlap, leave a rest, or begin above the image.
// CHECK-LABEL: func.func @others
// CHECK-NOT: ternary.reshape
func.func @others(%x: tensor<?x3x5x5x!ternary.int<0, 3>>) -> (tensor<?x3x2x2x!ternary.int<0, 3>>, tensor<?x3x2x2x!ternary.int<0, 3>>, tensor<?x3x3x5x!ternary.int<0, 3>>) {
  %a = ternary.max_pool %x window <kernel 3x3, strides 2x2> : tensor<?x3x5x5x!ternary.int<0, 3>> -> tensor<?x3x2x2x!ternary.int<0, 3>>
  %b = ternary.max_pool %x window <kernel 2x2, strides 2x2> : tensor<?x3x5x5x!ternary.int<0, 3>> -> tensor<?x3x2x2x!ternary.int<0, 3>>
  %c = ternary.max_pool %x window <kernel 2x1, strides 2x1, pads 1x0x0x0> : tensor<?x3x5x5x!ternary.int<0, 3>> -> tensor<?x3x3x5x!ternary.int<0, 3>>
  func.return %a, %b, %c : tensor<?x3x2x2x!ternary.int<0, 3>>, tensor<?x3x2x2x!ternary.int<0, 3>>, tensor<?x3x3x5x!ternary.int<0, 3>>
}
