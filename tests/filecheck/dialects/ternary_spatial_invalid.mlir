// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected one of kernel, strides, pads, dilations, each once, found 'size'
func.func @part(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <size 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: expected one of kernel, strides, pads, dilations, each once, found 'kernel'
func.func @twice(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2, kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: pads takes 4 numbers, such as 1x1x1x1
func.func @numbers(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2, pads 1x1> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: a window needs its kernel, such as <kernel 3x3>
func.func @kernel(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <strides 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: kernel, strides and dilations are at least 1
func.func @zero(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2, strides 0x1> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: a window of (5, 1) does not fit into images of 4x4
func.func @fit(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 5x1> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: a window of (3, 3) does not fit into images of 4x4
func.func @dilated(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 3x3, dilations 2x1> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: expected images (batch, channels, height, width), found ?x2x16
func.func @images(%x: tensor<?x2x16x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> : tensor<?x2x16x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: expected images (batch, channels, height, width), found ?x2x?x4
func.func @dynamic(%x: tensor<?x2x?x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> : tensor<?x2x?x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: 2 channels and 1 outputs can't be cut into 2 groups
func.func @groups(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> {groups = 2 : i64} : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-+
  }>
  func.return
}

// -----

// CHECK: 2 channels and 1 outputs can't be cut into 0 groups
func.func @no_groups(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> {groups = 0 : i64} : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-+
  }>
  func.return
}

// -----

// CHECK: a line of weights has 7 entries, a window 2 x 4
func.func @line(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-8, 8>> weights <{
    +0-++0-
  }>
  func.return
}

// -----

// CHECK: expected a result of shape ?x1x3x3, found ?x1x4x4
func.func @shape(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x4x4x!ternary.int<-8, 8>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: the sums reach -2..4, the result's range is -1..4
func.func @sums(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x3x3x!ternary.int<-1, 4>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: the sums reach -20..40, the result's range is -2..39
func.func @pads(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.conv %x window <kernel 2x2, pads 0x0x1x1> {pad = 10 : i64} : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x4x4x!ternary.int<-2, 39>> weights <{
    +0-++0-+
  }>
  func.return
}

// -----

// CHECK: expected a result of shape ?x2x2x2 with the range 0..1
func.func @max_shape(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.max_pool %x window <kernel 2x2, strides 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x2x3x3x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: expected a result of shape ?x2x2x2 with the range 0..1
func.func @max_range(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.max_pool %x window <kernel 2x2, strides 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x2x2x2x!ternary.int<0, 2>>
  func.return
}

// -----

// CHECK: expected a result of shape ?x2x2x2, found ?x1x2x2
func.func @sum_shape(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.sum_pool %x window <kernel 2x2, strides 2x2> : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x1x2x2x!ternary.int<0, 4>>
  func.return
}

// -----

// CHECK: the sums reach -4..4
func.func @sum_range(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.sum_pool %x window <kernel 2x2, strides 2x2, pads 1x1x1x1> {pad = -1 : i64} : tensor<?x2x4x4x!ternary.int<0, 1>> -> tensor<?x2x3x3x!ternary.int<0, 4>>
  func.return
}

// -----

// CHECK: all inputs and the result have one shape
func.func @combine_shape(%x: tensor<?x2x4x4x!ternary.int<0, 1>>, %y: tensor<?x2x4x1x!ternary.int<0, 1>>) {
  %a = ternary.combine %x, %y : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x1x!ternary.int<0, 1>>) -> tensor<?x2x4x4x!ternary.int<0, 2>> multipliers <{
    ++
  }>
  func.return
}

// -----

// CHECK: all inputs and the result have one shape
func.func @combine_none(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.combine : () -> tensor<?x2x4x4x!ternary.int<0, 1>> multipliers <{
    ++
  }>
  func.return
}

// -----

// CHECK: expected multipliers for 1 or 2 channels and 2 inputs, found 3 x 2
func.func @combine_lines(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.combine %x, %x : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x4x!ternary.int<0, 1>>) -> tensor<?x2x4x4x!ternary.int<0, 2>> multipliers <{
    ++
    ++
    ++
  }>
  func.return
}

// -----

// CHECK: expected multipliers for 1 or 2 channels and 2 inputs, found 1 x 3
func.func @combine_columns(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.combine %x, %x : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x4x!ternary.int<0, 1>>) -> tensor<?x2x4x4x!ternary.int<0, 2>> multipliers <{
    +++
  }>
  func.return
}

// -----

// CHECK: the sums reach -3..1, the result's range is -2..1
func.func @combine_range(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.combine %x, %x : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x4x!ternary.int<0, 1>>) -> tensor<?x2x4x4x!ternary.int<-2, 1>> multipliers <{
    1 -3
  }>
  func.return
}

// -----

// CHECK: all inputs have the result's shape but for their channels
func.func @concat_shape(%x: tensor<?x2x4x4x!ternary.int<0, 1>>, %y: tensor<?x2x4x1x!ternary.int<0, 1>>) {
  %a = ternary.concat %x, %y : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x1x!ternary.int<0, 1>>) -> tensor<?x4x4x4x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: all inputs have the result's shape but for their channels
func.func @concat_none(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.concat : () -> tensor<?x2x4x4x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: 4 channels can't become 3
func.func @concat_channels(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.concat %x, %x : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x4x!ternary.int<0, 1>>) -> tensor<?x3x4x4x!ternary.int<0, 1>>
  func.return
}

// -----

// CHECK: the result's range 0..0 does not cover those of the inputs
func.func @concat_range(%x: tensor<?x2x4x4x!ternary.int<0, 1>>) {
  %a = ternary.concat %x, %x : (tensor<?x2x4x4x!ternary.int<0, 1>>, tensor<?x2x4x4x!ternary.int<0, 1>>) -> tensor<?x4x4x4x!ternary.int<0, 0>>
  func.return
}
