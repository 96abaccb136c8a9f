// RUN: camc opt %s -p ternary-canonicalize | filecheck %s

// ---- views

// CHECK-LABEL: func.func @reshape_of_reshape
func.func @reshape_of_reshape(%x: tensor<?x4x6xf32>) -> (tensor<?x24xf32>, tensor<?x4x6xf32>) {
  // CHECK-NEXT: %[[R:.*]] = ternary.reshape %x : tensor<?x4x6xf32> -> tensor<?x24xf32>
  // CHECK-NEXT: func.return %[[R]], %x
  %a = ternary.reshape %x : tensor<?x4x6xf32> -> tensor<?x8x3xf32>
  %b = ternary.reshape %a : tensor<?x8x3xf32> -> tensor<?x24xf32>
  %c = ternary.reshape %b : tensor<?x24xf32> -> tensor<?x4x6xf32>
  func.return %b, %c : tensor<?x24xf32>, tensor<?x4x6xf32>
}

// CHECK-LABEL: func.func @transpose_of_transpose
func.func @transpose_of_transpose(%x: tensor<?x2x3x4xf32>) -> tensor<?x3x2x4xf32> {
  // CHECK-NEXT: %[[T:.*]] = ternary.transpose %x {order = array<i64: 1, 0, 2>}
  // CHECK-NEXT: func.return %[[T]]
  %a = ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x2x3x4xf32> -> tensor<?x3x4x2xf32>
  %b = ternary.transpose %a {order = array<i64: 0, 2, 1>} : tensor<?x3x4x2xf32> -> tensor<?x3x2x4xf32>
  func.return %b : tensor<?x3x2x4xf32>
}

// CHECK-LABEL: func.func @transpose_of_single_elements
func.func @transpose_of_single_elements(%x: tensor<?x1x3x1xf32>) -> tensor<?x3x1x1xf32> {
  // CHECK-NEXT: %[[R:.*]] = ternary.reshape %x : tensor<?x1x3x1xf32> -> tensor<?x3x1x1xf32>
  // CHECK-NEXT: func.return %[[R]]
  %a = ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x1x3x1xf32> -> tensor<?x3x1x1xf32>
  func.return %a : tensor<?x3x1x1xf32>
}

// CHECK-LABEL: func.func @take_of_take
func.func @take_of_take(%x: tensor<?x5xf32>) -> (tensor<?x2xf32>, tensor<?x5xf32>) {
  // CHECK-NEXT: %[[T:.*]] = ternary.take %x {axis = 0 : i64, indices = array<i64: 3, 1>}
  // CHECK-NEXT: func.return %[[T]], %x
  %a = ternary.take %x {axis = 0 : i64, indices = array<i64: 1, 2, 3>} : tensor<?x5xf32> -> tensor<?x3xf32>
  %b = ternary.take %a {axis = 0 : i64, indices = array<i64: 2, 0>} : tensor<?x3xf32> -> tensor<?x2xf32>
  %c = ternary.take %x {axis = 0 : i64, indices = array<i64: 0, 1, 2, 3, 4>} : tensor<?x5xf32> -> tensor<?x5xf32>
  func.return %b, %c : tensor<?x2xf32>, tensor<?x5xf32>
}

// ---- work in front of views

// CHECK-LABEL: func.func @threshold_before_transpose
func.func @threshold_before_transpose(%x: tensor<?x2x3x!ternary.int<-9, 9>>) -> tensor<?x2x3x!ternary.int<0, 1>> {
  // CHECK-NEXT: %[[T:.*]] = ternary.threshold %x : tensor<?x2x3x{{.*}}> -> tensor<?x2x3x!ternary.int<0, 1>>
  // CHECK-NEXT:   up 4
  // CHECK:      func.return %[[T]]
  %a = ternary.transpose %x {order = array<i64: 1, 0>} : tensor<?x2x3x!ternary.int<-9, 9>> -> tensor<?x3x2x!ternary.int<-9, 9>>
  %b = ternary.threshold %a : tensor<?x3x2x!ternary.int<-9, 9>> -> tensor<?x3x2x!ternary.int<0, 1>> thresholds <{
    up 4
  }>
  %c = ternary.transpose %b {order = array<i64: 1, 0>} : tensor<?x3x2x!ternary.int<0, 1>> -> tensor<?x2x3x!ternary.int<0, 1>>
  func.return %c : tensor<?x2x3x!ternary.int<0, 1>>
}

// Thresholds of their own belong to the channels of the view.
// CHECK-LABEL: func.func @no_threshold_a_channel_before_transpose
func.func @no_threshold_a_channel_before_transpose(%x: tensor<?x3x2x!ternary.int<-9, 9>>) -> tensor<?x2x3x!ternary.int<0, 1>> {
  // CHECK-NEXT: ternary.transpose
  // CHECK-NEXT: ternary.threshold
  %a = ternary.transpose %x {order = array<i64: 1, 0>} : tensor<?x3x2x!ternary.int<-9, 9>> -> tensor<?x2x3x!ternary.int<-9, 9>>
  %b = ternary.threshold %a : tensor<?x2x3x!ternary.int<-9, 9>> -> tensor<?x2x3x!ternary.int<0, 1>> thresholds <{
    up 4
    up 5
  }>
  func.return %b : tensor<?x2x3x!ternary.int<0, 1>>
}

// What was given in another order is transposed to meet what a product computes.
// CHECK-LABEL: func.func @sum_before_transpose
func.func @sum_before_transpose(%x: tensor<?x2x3x!ternary.int<0, 1>>, %y: tensor<?x3x2x!ternary.int<0, 1>>) -> tensor<?x3x2x!ternary.int<-2, 8>> {
  // CHECK-NEXT: %[[P:.*]] = ternary.reshape %x
  // CHECK-NEXT: %[[C:.*]] = ternary.conv %[[P]]
  // CHECK:      %[[R:.*]] = ternary.reshape %[[C]] : {{.*}} -> tensor<?x2x3x!ternary.int<-1, 1>>
  // CHECK-NEXT: %[[Y:.*]] = ternary.transpose %y {order = array<i64: 1, 0>}
  // CHECK-NEXT: %[[S:.*]] = ternary.combine %[[R]], %[[Y]]
  // CHECK:      %[[T:.*]] = ternary.transpose %[[S]] {order = array<i64: 1, 0>}
  // CHECK-NEXT: func.return %[[T]]
  %p = ternary.reshape %x : tensor<?x2x3x!ternary.int<0, 1>> -> tensor<?x2x3x1x!ternary.int<0, 1>>
  %c = ternary.conv %p window <kernel 1x1> : tensor<?x2x3x1x!ternary.int<0, 1>> -> tensor<?x2x3x1x!ternary.int<-1, 1>> weights <{
    +-
    -+
  }>
  %r = ternary.reshape %c : tensor<?x2x3x1x!ternary.int<-1, 1>> -> tensor<?x2x3x!ternary.int<-1, 1>>
  %t = ternary.transpose %r {order = array<i64: 1, 0>} : tensor<?x2x3x!ternary.int<-1, 1>> -> tensor<?x3x2x!ternary.int<-1, 1>>
  %s = ternary.combine %t, %y : (tensor<?x3x2x!ternary.int<-1, 1>>, tensor<?x3x2x!ternary.int<0, 1>>) -> tensor<?x3x2x!ternary.int<-2, 8>> multipliers <{
    2 6
  }>
  func.return %s : tensor<?x3x2x!ternary.int<-2, 8>>
}

// CHECK-LABEL: func.func @threshold_before_reshape
func.func @threshold_before_reshape(%x: tensor<?x1x2x2x!ternary.int<0, 3>>) -> tensor<?x8x!ternary.int<0, 1>> {
  // CHECK-NEXT: %[[C:.*]] = ternary.conv %x
  // CHECK:      %[[T:.*]] = ternary.threshold %[[C]] : tensor<?x2x2x2x!ternary.int<-3, 3>> -> tensor<?x2x2x2x!ternary.int<0, 1>>
  // CHECK:      %[[R:.*]] = ternary.reshape %[[T]]
  // CHECK-NEXT: func.return %[[R]]
  %c = ternary.conv %x window <kernel 1x1> : tensor<?x1x2x2x!ternary.int<0, 3>> -> tensor<?x2x2x2x!ternary.int<-3, 3>> weights <{
    +
    -
  }>
  %r = ternary.reshape %c : tensor<?x2x2x2x!ternary.int<-3, 3>> -> tensor<?x8x!ternary.int<-3, 3>>
  %t = ternary.threshold %r : tensor<?x8x!ternary.int<-3, 3>> -> tensor<?x8x!ternary.int<0, 1>> thresholds <{
    up 1
  }>
  func.return %t : tensor<?x8x!ternary.int<0, 1>>
}

// CHECK-LABEL: func.func @concat_before_transpose
func.func @concat_before_transpose(%x: tensor<?x2x3x4x!ternary.int<0, 1>>, %y: tensor<?x1x3x4x!ternary.int<-1, 0>>) -> tensor<?x3x4x3x!ternary.int<-1, 1>> {
  // CHECK-NEXT: %[[C:.*]] = ternary.concat %x, %y : {{.*}} -> tensor<?x3x3x4x!ternary.int<-1, 1>>
  // CHECK-NEXT: %[[T:.*]] = ternary.transpose %[[C]] {order = array<i64: 0, 2, 1>}
  // CHECK-NEXT: func.return %[[T]]
  %a = ternary.transpose %x {order = array<i64: 0, 2, 1>} : tensor<?x2x3x4x!ternary.int<0, 1>> -> tensor<?x2x4x3x!ternary.int<0, 1>>
  %b = ternary.transpose %y {order = array<i64: 0, 2, 1>} : tensor<?x1x3x4x!ternary.int<-1, 0>> -> tensor<?x1x4x3x!ternary.int<-1, 0>>
  %c = ternary.concat %a, %b : (tensor<?x2x4x3x!ternary.int<0, 1>>, tensor<?x1x4x3x!ternary.int<-1, 0>>) -> tensor<?x3x4x3x!ternary.int<-1, 1>>
  func.return %c : tensor<?x3x4x3x!ternary.int<-1, 1>>
}

// CHECK-LABEL: func.func @pad_before_transpose
func.func @pad_before_transpose(%x: tensor<?x2x3x4x!ternary.int<0, 3>>) -> tensor<?x3x6x2x!ternary.int<0, 3>> {
  // CHECK-NEXT: %[[P:.*]] = ternary.sum_pool %x window <kernel 1x1, pads 0x2x0x0> {pad = 1 : i64} : {{.*}} -> tensor<?x2x3x6x!ternary.int<0, 3>>
  // CHECK-NEXT: %[[T:.*]] = ternary.transpose %[[P]] {order = array<i64: 1, 2, 0>}
  // CHECK-NEXT: func.return %[[T]]
  %a = ternary.transpose %x {order = array<i64: 1, 2, 0>} : tensor<?x2x3x4x!ternary.int<0, 3>> -> tensor<?x3x4x2x!ternary.int<0, 3>>
  %b = ternary.sum_pool %a window <kernel 1x1, pads 2x0x0x0> {pad = 1 : i64} : tensor<?x3x4x2x!ternary.int<0, 3>> -> tensor<?x3x6x2x!ternary.int<0, 3>>
  func.return %b : tensor<?x3x6x2x!ternary.int<0, 3>>
}

// ---- operations that are one, or change places

// CHECK-LABEL: func.func @pad_in_convolution
func.func @pad_in_convolution(%x: tensor<?x1x4x4x!ternary.int<0, 3>>) -> tensor<?x1x6x7x!ternary.int<-3, 3>> {
  // CHECK-NEXT: %[[C:.*]] = ternary.conv %x window <kernel 2x2, pads 1x1x2x3> {pad = 2 : i64}
  // CHECK-NEXT:   +00-
  // CHECK:      func.return %[[C]]
  %p = ternary.sum_pool %x window <kernel 1x1, pads 0x1x1x2> {pad = 2 : i64} : tensor<?x1x4x4x!ternary.int<0, 3>> -> tensor<?x1x5x7x!ternary.int<0, 3>>
  %c = ternary.conv %p window <kernel 2x2, pads 1x0x1x1> {pad = 2 : i64} : tensor<?x1x5x7x!ternary.int<0, 3>> -> tensor<?x1x6x7x!ternary.int<-3, 3>> weights <{
    +00-
  }>
  func.return %c : tensor<?x1x6x7x!ternary.int<-3, 3>>
}

// CHECK-LABEL: func.func @no_pads_of_two_kinds
func.func @no_pads_of_two_kinds(%x: tensor<?x1x4x4x!ternary.int<0, 3>>) -> tensor<?x1x8x8x!ternary.int<0, 3>> {
  // CHECK-NEXT: ternary.sum_pool {{.*}} {pad = 2 : i64}
  // CHECK-NEXT: ternary.sum_pool {{.*}} {pad = 1 : i64}
  %p = ternary.sum_pool %x window <kernel 1x1, pads 1x1x1x1> {pad = 2 : i64} : tensor<?x1x4x4x!ternary.int<0, 3>> -> tensor<?x1x6x6x!ternary.int<0, 3>>
  %c = ternary.sum_pool %p window <kernel 1x1, pads 1x1x1x1> {pad = 1 : i64} : tensor<?x1x6x6x!ternary.int<0, 3>> -> tensor<?x1x8x8x!ternary.int<0, 3>>
  func.return %c : tensor<?x1x8x8x!ternary.int<0, 3>>
}

// CHECK-LABEL: func.func @pools_of_one_element
func.func @pools_of_one_element(%x: tensor<?x1x4x4x!ternary.int<0, 3>>) -> tensor<?x1x4x4x!ternary.int<0, 3>> {
  // CHECK-NEXT: func.return %x
  %p = ternary.sum_pool %x window <kernel 1x1> : tensor<?x1x4x4x!ternary.int<0, 3>> -> tensor<?x1x4x4x!ternary.int<0, 3>>
  %c = ternary.max_pool %p window <kernel 1x1> : tensor<?x1x4x4x!ternary.int<0, 3>> -> tensor<?x1x4x4x!ternary.int<0, 3>>
  func.return %c : tensor<?x1x4x4x!ternary.int<0, 3>>
}

// CHECK-LABEL: func.func @threshold_before_max
func.func @threshold_before_max(%x: tensor<?x1x4x4x!ternary.int<0, 9>>) -> (tensor<?x1x2x2x!ternary.int<0, 2>>, tensor<?x1x2x2x!ternary.int<0, 2>>) {
  // CHECK-NEXT: %[[T:.*]] = ternary.threshold %x
  // CHECK-NEXT:   up 3 7
  // CHECK:      %[[M:.*]] = ternary.max_pool %[[T]] window <kernel 2x2, strides 2x2>
  // Falling steps stay.
  // CHECK-NEXT: %[[N:.*]] = ternary.max_pool %x window <kernel 2x2, strides 2x2>
  // CHECK-NEXT: %[[D:.*]] = ternary.threshold %[[N]]
  // CHECK:      func.return %[[M]], %[[D]]
  %m = ternary.max_pool %x window <kernel 2x2, strides 2x2> : tensor<?x1x4x4x!ternary.int<0, 9>> -> tensor<?x1x2x2x!ternary.int<0, 9>>
  %t = ternary.threshold %m : tensor<?x1x2x2x!ternary.int<0, 9>> -> tensor<?x1x2x2x!ternary.int<0, 2>> thresholds <{
    up 3 7
  }>
  %n = ternary.max_pool %x window <kernel 2x2, strides 2x2> : tensor<?x1x4x4x!ternary.int<0, 9>> -> tensor<?x1x2x2x!ternary.int<0, 9>>
  %d = ternary.threshold %n : tensor<?x1x2x2x!ternary.int<0, 9>> -> tensor<?x1x2x2x!ternary.int<0, 2>> thresholds <{
    down 3 7
  }>
  func.return %t, %d : tensor<?x1x2x2x!ternary.int<0, 2>>, tensor<?x1x2x2x!ternary.int<0, 2>>
}

// CHECK-LABEL: func.func @same_summand
func.func @same_summand(%x: tensor<?x2x!ternary.int<0, 3>>, %y: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<0, 18>> {
  // CHECK-NEXT: ternary.combine %x, %y {{.*}} multipliers <{
  // CHECK-NEXT:   4 2
  %s = ternary.combine %x, %y, %x : (tensor<?x2x!ternary.int<0, 3>>, tensor<?x2x!ternary.int<0, 3>>, tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<0, 18>> multipliers <{
    1 2 3
  }>
  func.return %s : tensor<?x2x!ternary.int<0, 18>>
}

// CHECK-LABEL: func.func @scale_in_thresholds
func.func @scale_in_thresholds(%x: tensor<?x2x!ternary.int<-5, 5>>) -> tensor<?x2x!ternary.int<0, 2>> {
  // CHECK-NEXT: ternary.threshold %x {{.*}} thresholds <{
  // CHECK-NEXT:   up -1 2
  // CHECK-NEXT:   down 1 3
  %s = ternary.combine %x : (tensor<?x2x!ternary.int<-5, 5>>) -> tensor<?x2x!ternary.int<-20, 20>> multipliers <{
    3
    4
  }>
  %t = ternary.threshold %s : tensor<?x2x!ternary.int<-20, 20>> -> tensor<?x2x!ternary.int<0, 2>> thresholds <{
    up -4 5
    down 3 12
  }>
  func.return %t : tensor<?x2x!ternary.int<0, 2>>
}

// CHECK-LABEL: func.func @max_before_rescale
func.func @max_before_rescale(%x: tensor<?x2x4x4x!ternary.int<-99, 99>>) -> (tensor<?x2x2x2x!ternary.int<-9, 9>>, tensor<?x2x4x4x!ternary.int<-9, 9>>, tensor<?x2x2x2x!ternary.int<-9, 9>>) {
  // CHECK-NEXT: %[[M:.*]] = ternary.max_pool %x window <kernel 2x2, strides 2x2> : {{.*}} layer "pool"
  // CHECK-NEXT: %[[R:.*]] = ternary.rescale %[[M]] {{.*}} -> tensor<?x2x2x2x!ternary.int<-9, 9>> layer "scale" lines <{
  // CHECK-NEXT:   * 3 + 8 >> 4 in -9..9 ties odd 0
  // CHECK-NEXT:   * 0 + 0 >> 0 in 0..0
  // CHECK-NEXT: }>
  %a = ternary.rescale %x : tensor<?x2x4x4x!ternary.int<-99, 99>> -> tensor<?x2x4x4x!ternary.int<-9, 9>> layer "scale" lines <{
    * 3 + 8 >> 4 in -9..9 ties odd 0
    * 0 + 0 >> 0 in 0..0
  }>
  %m = ternary.max_pool %a window <kernel 2x2, strides 2x2> : tensor<?x2x4x4x!ternary.int<-9, 9>> -> tensor<?x2x2x2x!ternary.int<-9, 9>> layer "pool"
  // As many positions, and numbers that fall.
  // CHECK-NEXT: %[[B:.*]] = ternary.rescale %x
  // CHECK:      ternary.max_pool %[[B]] window <kernel 3x3, pads 1x1x1x1>
  %b = ternary.rescale %x : tensor<?x2x4x4x!ternary.int<-99, 99>> -> tensor<?x2x4x4x!ternary.int<-9, 9>> lines <{
    * 5 + 8 >> 4 in -9..9
  }>
  %n = ternary.max_pool %b window <kernel 3x3, pads 1x1x1x1> : tensor<?x2x4x4x!ternary.int<-9, 9>> -> tensor<?x2x4x4x!ternary.int<-9, 9>>
  // CHECK:      %[[C:.*]] = ternary.rescale %x
  // CHECK:      ternary.max_pool %[[C]] window <kernel 2x2, strides 2x2>
  %c = ternary.rescale %x : tensor<?x2x4x4x!ternary.int<-99, 99>> -> tensor<?x2x4x4x!ternary.int<-9, 9>> lines <{
    * -5 + 8 >> 4 in -9..9
  }>
  %o = ternary.max_pool %c window <kernel 2x2, strides 2x2> : tensor<?x2x4x4x!ternary.int<-9, 9>> -> tensor<?x2x2x2x!ternary.int<-9, 9>>
  func.return %m, %n, %o : tensor<?x2x2x2x!ternary.int<-9, 9>>, tensor<?x2x4x4x!ternary.int<-9, 9>>, tensor<?x2x2x2x!ternary.int<-9, 9>>
}

// ---- what is there twice, or for nothing

// CHECK-LABEL: func.func @twice
func.func @twice(%x: tensor<?x2x!ternary.int<0, 1>>) -> (tensor<?x1x!ternary.int<-1, 1>>, tensor<?x1x!ternary.int<-1, 1>>) {
  // CHECK-NEXT: %[[A:.*]] = ternary.matmul %x {{.*}} layer "first"
  // CHECK-NEXT:   +-
  // CHECK-NEXT: }>
  // CHECK-NEXT: func.return %[[A]], %[[A]]
  %a = ternary.matmul %x : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> layer "first" weights <{
    +-
  }>
  %b = ternary.matmul %x : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<-1, 1>> layer "second" weights <{
    +-
  }>
  %c = ternary.matmul %x : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x1x!ternary.int<0, 2>> layer "unread" weights <{
    ++
  }>
  func.return %a, %b : tensor<?x1x!ternary.int<-1, 1>>, tensor<?x1x!ternary.int<-1, 1>>
}
