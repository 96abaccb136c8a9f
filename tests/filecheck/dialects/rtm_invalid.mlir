// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: lies outside 16 columns of 32 domains
func.func @columns(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c16[0:2] = c0[0]
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: two bits that are needed together meet in column c0
func.func @meet(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c0[4:6] = c0[0]
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: columns must be 4 to 2048, found 3
func.func @geometry(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x3x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: expected rows x columns x domains, such as <256x256x64>
func.func @sizes(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: input vector 1 is read, there are 1
func.func @read(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 1
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: each of the 2 output vectors is written once; not so vector 1
func.func @missing(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: each of the 1 output vectors is written once; not so vector 0
func.func @twice(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      out 0 = c0[0]
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: 'c0[2:2]' spans no domain
func.func @span(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[2:2] = in 0
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: expected a single domain such as c1[0], found 'c15[0:2]'
func.func @carry(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c1[0] = c0[0] + c0[0] carry c15[0:2]
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: 'c0[0:2]s' is written to, which takes no sign mark
func.func @sign(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0:2]s = in 0
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: a sign extension starts at its sign bit
func.func @extension(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c1[1:3] = sext c1[0] carry c15[0]
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: unexpected
func.func @word(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c1[0] = maybe
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: unexpected the end
func.func @open(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      loop {
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: the immediate 4 is no value of the 2-bit source
func.func @compare(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      c0[0] = in 0
      c1[0] = c2[0:2] >= 4
      out 0 = c0[0]
    }>
  }
  func.return
}

// -----

// CHECK: expected only rtm.segment in a rtm.program, found ap.segment
func.func @mixed(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <64x16x32> {
    ap.segment "fc" code <{
      in c0.0:1, #0
      out c0.0:1, #0
    }>
  }
  func.return
}
