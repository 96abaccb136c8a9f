// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: weights have 2 inputs and 1 outputs, the types say 3 and 1
func.func @inputs(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.count %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> weights <{ ++ }>
  func.return
}

// -----

// CHECK: sums reach 0..3, the result has 0..2
func.func @reach(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.count %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> weights <{ +++ }>
  func.return
}

// -----

// CHECK: thresholds of an input 0..3 lie in 0..4, found 5..5
func.func @thresholds(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.count %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> weights <{
    +++
  }> thresholds <{
    up 5
  }>
  func.return
}

// -----

// CHECK: the first term, and no other one, is `take`
func.func @first(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.accumulate %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> terms <{ add 0 }>
  func.return
}

// -----

// CHECK: `take 2` of 2 outputs reaches beyond the 3 inputs
func.func @beyond(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.accumulate %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> terms <{ take 2 }>
  func.return
}

// -----

// CHECK: expected a term such as `add 64 step 1 << 2`, found 'take it'
func.func @term(%x: tensor<?x3x!ternary.int<0, 1>>) {
  %s = apv.accumulate %x : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> terms <{ take it }>
  func.return
}

// -----

// CHECK: c1.0 holds two things
func.func @collision(%x: tensor<?x2x!ternary.int<0, 3>>) {
  %r = rtm.counted %x : (tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> places <{
    activation c0.0:2
    part outputs 0:1 inputs 0:2
      c1.0 = out 0 : 10
  }>
  func.return
}

// -----

// CHECK: c1.0 has [1] cells, its rows are [2] inputs
func.func @short(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = rtm.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> places <{
    activation c0.0:1
    part outputs 0:1 inputs 0:2
      c1.0 = out 0 : 1
  }>
  func.return
}

// -----

// CHECK: c2.0 is of another output of its part than in the other parts
func.func @step(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = rtm.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x3x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> places <{
    activation c0.0:1
    part outputs 0:2 inputs 0:2
      c1.0 = out 0 : 11
      c2.0 = out 1 : 11
    part outputs 2:3 inputs 0:2
      c2.0 = out 2 : 11
  }>
  func.return
}

// -----

// CHECK: output 1 has no weights
func.func @missing(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = rtm.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> places <{
    activation c0.0:1
    part outputs 0:2 inputs 0:2
      c1.0 = out 0 : 11
  }>
  func.return
}

// -----

// CHECK: expected a place of a counted layer, such as `c4.0 = out 0 : 10x`: c1.0 = 11
func.func @line(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = rtm.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> places <{
    c1.0 = 11
  }>
  func.return
}

// -----

// CHECK: the cells of a0.c1.0 are stated twice
func.func @twice(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = ap.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> parts <{
    outputs 0:1 inputs 0:2
  }> memory <{
    a0.c1.0 10
    a0.c1.0 11
  }> code <{ repeat #1 { } }>
  func.return
}

// -----

// CHECK: unknown instruction 'tally'
func.func @unknown(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = ap.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> parts <{
    outputs 0:1 inputs 0:2
  }> memory <{ a0.c1.0 10 }> code <{ repeat #1 { tally q0:1, c1.0 } }>
  func.return
}

// -----

// CHECK: count takes accumulators q0:64, the first weights c4.0, a value c0.0:4
func.func @operands(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = ap.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> parts <{
    outputs 0:1 inputs 0:2
  }> memory <{ a0.c1.0 10 }> code <{ repeat #1 { count q0:1, c1.0 } }>
  func.return
}

// -----

// CHECK: a0.c9.0 lies outside 1 arrays of 4x8x2
func.func @outside(%x: tensor<?x2x!ternary.int<0, 1>>) {
  %r = ap.counted %x : (tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 2>> layer "fc" geometry <4x8x2> parts <{
    outputs 0:1 inputs 0:2
  }> memory <{ a0.c9.0 10 }> code <{ repeat #1 { take q0:1, #0:1 store q0:1, #0:2 } }>
  func.return
}
