// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: lies outside 16 columns of 32 domains
func.func @columns(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.31:2, #0
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: two bits that are needed together meet in column c1
func.func @meet(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      add c2.0:2, c0.0:1, c1.0:1, c1.3
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: unknown instruction 'mul'; known are add, add.add, add.ip
func.func @mnemonic(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      mul c0.0:1, c1.0:1
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: add takes destination c1.0:4, source c2.0:4s, source c3.0:4s, carry c5.0
func.func @operands(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      add c2.0:2, c0.0:1, #1
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: add.ip: operand D is a plain place, not shifted or zero
func.func @shift(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      add.ip c2.0:2<<1, c0.0:1, c15.0
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: input vector 1 is read, there are 1
func.func @read(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #1
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: each of the 2 output vectors is written once; not so vector 1
func.func @missing(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: can't be shifted
func.func @shifted(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      out c0.0:1<<1, #0
    }>
  }
  func.return
}

// -----

// CHECK: its flag is a single cell, neither signed nor shifted
func.func @flag(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      set.if c1.0:2, c2.0:2, #1
      out c0.0:1, #0
    }>
  }
  func.return
}

// -----

// CHECK: each of the 1 output vectors is written once; not so vector 2147483647
func.func @beyond(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = ap.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      out c0.0:1, #0
      out c0.0:1, #2147483647
    }>
  }
  func.return
}
