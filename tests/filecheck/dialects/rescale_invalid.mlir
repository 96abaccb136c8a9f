// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: expected lines for 1 or 3 channels, found 2
func.func @channels(%x: tensor<?x3x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x3x!ternary.int<0, 90>> -> tensor<?x3x!ternary.int<0, 15>> lines <{
    * 43 + 128 >> 8 in 0..15
    * 43 + 128 >> 8 in 0..15
  }>
  func.return
}

// -----

// CHECK: line 0 yields 0..16, the result ranges over 0..15
func.func @result(%x: tensor<?x1x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 43 + 128 >> 8 in 0..16
  }>
  func.return
}

// -----

// CHECK: line 0: ties are decided below the shift 2, found 2
func.func @ties(%x: tensor<?x1x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 1 + 2 >> 2 in 0..15 ties odd 2
  }>
  func.return
}

// -----

// CHECK: line 0: a multiplier has 61 bits, a shift is 96 at most
func.func @shift(%x: tensor<?x1x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 1 + 2 >> 97 in 0..15
  }>
  func.return
}

// -----

// CHECK: line 0: its results are beyond 60 bits before they are clamped
func.func @far(%x: tensor<?x1x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 1 + 99999999999999999999 >> 1 in 0..15
  }>
  func.return
}

// -----

// CHECK: integers of 50 bits are rescaled, at most 42 are possible
func.func @wide(%x: tensor<?x1x!ternary.int<0, 1000000000000000>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 1000000000000000>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 1 + 2 >> 50 in 0..15
  }>
  func.return
}

// -----

// CHECK: expected '* 5 + 3 >> 4 in 0..255', perhaps 'ties odd 2', found '* 43 >> 8'
func.func @text(%x: tensor<?x1x!ternary.int<0, 90>>) {
  %r = ternary.rescale %x : tensor<?x1x!ternary.int<0, 90>> -> tensor<?x1x!ternary.int<0, 15>> lines <{
    * 43 >> 8
  }>
  func.return
}

// -----

// CHECK: 3 columns can't become 2
func.func @columns(%q: tensor<?x3x!ternary.int<0, 90>>) {
  apv.stage {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 90>> -> !apv.columns<3, 0, 90>
    %r = apv.rescale %x : !apv.columns<3, 0, 90> -> !apv.columns<2, 0, 15> lines <{
      * 1 + 2 >> 2 in 0..15
    }>
    apv.yield
  }
  func.return
}
