// RUN: camc opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: lies outside 16 columns of 32 domains
func.func @columns(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c16[0:2] = %0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 2: `%1 : c0[4:6] = %0`: %1 at c0[4:6] and %0 at c0[0] are needed together in column c0
func.func @meet(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c0[4:6] = %0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: %0 at c0[0:2] and the carry at c0[9] are needed together in column c0
func.func @carry_meets(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0:3] = %0 + %0 carry c0[9]
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 3: `%2 : c1[1:3] = %0`: %2 at c1[1:3] overwrites %1 at c1[0:2] of `%1 : c1[0:2] = 1` (line 2) in c1[1], which is still needed
func.func @overlap(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0:2] = 1
      %2 : c1[1:3] = %0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: `%2 : c2[0:3] = %0 + %0 carry c1[1]`: its carry overwrites %1 at c1[0:2] of `%1 : c1[0:2] = 1` (line 2) in c1[1], which is still needed
func.func @carry_overlaps(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0:2] = 1
      %2 : c2[0:3] = %0 + %0 carry c1[1]
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: %2 at c1[1:3] is made in place of %1 at c1[0:2], which begins elsewhere
func.func @elsewhere(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0:2] = 1
      %2 : c1[1:3] = %1 += %0 carry c15[0]
      out 0 = %2
    }>
  }
  func.return
}

// -----

// CHECK: %2 at c1[0:3] is made in place of %1 at c1[0:2], which is narrower; extend that first
func.func @narrower(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0:2] = 1
      %2 : c1[0:3] = %1 += %0 carry c15[0]
      out 0 = %2
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 4: `out 0 = %1`: it reads %1 at c1[0:2], which `%2 : c1[0:2] = %1 += %0 carry c15[0]` (line 3) has overwritten in place
func.func @consumed(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0:2] = 1
      %2 : c1[0:2] = %1 += %0 carry c15[0]
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: %1 has no place: nothing before makes it or says that it is live
func.func @unmade(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: %0 has a place already
func.func @again(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %0 : c1[0] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 1: `%1 : c1[0] live`: no statement before makes %1
func.func @not_live(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %1 : c1[0] live
      %0 : c0[0] = in 0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: unexpected 'live'
func.func @late(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] live
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: a sign extension takes and makes a signed value, found %0 at c0[0:2] and %1 at c0[0:4]s
func.func @sign(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c0[0:4]s = sext %0 carry c15[0]
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: zeros extend an unsigned value, found %0 at c0[0:2]s
func.func @zeros(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2]s = in 0
      %1 : c0[0:4]s = zext %0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: %1 extends %0 and is not wider
func.func @wider(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c0[0:2] = zext %0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: a flag is an unsigned bit, found %0 at c0[0:2]
func.func @flag(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0] = 1
      %2 : c1[0] = %1 set 0 if %0
      out 0 = %2
    }>
  }
  func.return
}

// -----

// CHECK: a comparison makes an unsigned bit, found %1 at c1[0:2]
func.func @comparison(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0:2] = %0 >= 1
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: it sets bits outside of %3 at c2[0:2]
func.func @bits(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0] = %0 >= 1
      %2 : c2[0:2] = 0
      %3 : c2[0:2] = %2[1:3] set 2 if %1
      out 0 = %3
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 5: `%3 : c3[0:2] = %0 + %1 carry c15[0]`: its carry overwrites the carry of `%2 : c2[0:2] = %0 + %1 carry c15[0]` (line 4) in c15[0]
func.func @same_carry(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] = 1
      loop {
        %2 : c2[0:2] = %0 + %1 carry c15[0]
        %3 : c3[0:2] = %0 + %1 carry c15[0]
      }
      out 0 = %3
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 6: `%4 : c3[1:3] = %1`: domains 0 and 1 of column c3 are needed together at step 0 of the bit loop, the other one by `%3 : c3[0] = %0` (line 5)
func.func @two_domains(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] = 1
      %2 : c2[0] = 1
      loop {
        %3 : c3[0] = %0
        %4 : c3[1:3] = %1
      }
      out 0 = %3
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 4: `%2 : c2[0] = %1 >= 1`: it reads c1[0] at step 0 of the bit loop, before `%1 : c1[0] = %0 @1` (line 3) writes it at step 1
func.func @order(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      loop {
        %1 : c1[0] = %0 @1
        %2 : c2[0] = %1 >= 1
      }
      out 0 = %2
    }>
  }
  func.return
}

// -----

// CHECK: `%3 : c0[0:2]s = %0 += %2 carry c15[0]`: it writes c0[1] at step 1 of the bit loop, before `%1 : c1[0:3]s = %0` (line 4) reads it at step 2
func.func @sign_bit(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2]s = in 0
      %2 : c2[0:2] = 1
      loop {
        %1 : c1[0:3]s = %0
        %3 : c0[0:2]s = %0 += %2 carry c15[0]
      }
      out 0 = %3
    }>
  }
  func.return
}

// -----

// CHECK: `%2 : c2[0] = 0`: %2 at c2[0] overwrites %1 at c2[0] of `%1 : c2[0] = %0` (line 3) in c2[0], which is still needed
func.func @one_loop(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:3] = in 0
      loop {
        %1 : c2[0] = %0
        %2 : c2[0] = 0
      }
      out 0 = %2
    }>
  }
  func.return
}

// -----

// CHECK: 'c0[2:2]' spans no domain
func.func @span(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[2:2] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: expected a single domain such as c1[0], found 'c15[0:2]'
func.func @single(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] = %0 + %0 carry c15[0:2]
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: unexpected
func.func @word(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      %1 : c1[0] = maybe
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: unexpected the end
func.func @open(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      loop {
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment fc, line 2: `%1 : c1[0] = %0 >= 4`: cmp.ge: the immediate 4 is no value of the 2-bit source
func.func @immediate(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0] = %0 >= 4
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: input vector 1 is read, there are 1
func.func @no_vector(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 1
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: each of the 1 output vectors is written once; not so vector 0
func.func @twice(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment b, line 1: `%0 : c2[0] live`: %0 is said to be live at c2[0], `%0 : c0[0] = in 0` (line 1 of segment a) makes %0 at c0[0]
func.func @moved(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "a" code <{
      %0 : c0[0] = in 0
    }>
    rtm.segment "b" code <{
      %0 : c2[0] live
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment b, line 1: `%0 : c0[0] live`: %0 is no longer live: `%1 : c0[0:2] = zext %0` (line 2 of segment a) overwrites it in place
func.func @gone(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "a" code <{
      %0 : c0[0] = in 0
      %1 : c0[0:2] = zext %0
    }>
    rtm.segment "b" code <{
      %0 : c0[0] live
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment b, line 2: `%1 : c0[0] = 1`: %1 at c0[0] overwrites %0 at c0[0] of `%0 : c0[0] = in 0` (line 1 of segment a)
func.func @across(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "a" code <{
      %0 : c0[0] = in 0
    }>
    rtm.segment "b" code <{
      %0 : c0[0] live
      %1 : c0[0] = 1
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: segment b, line 1: `%0 : c1[0] = 1`: %0 is made by `%0 : c0[0] = in 0` (line 1 of segment a) already
func.func @made_again(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "a" code <{
      %0 : c0[0] = in 0
    }>
    rtm.segment "b" code <{
      %0 : c1[0] = 1
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: columns must be 4 to 2048, found 3
func.func @geometry(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x3x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: expected rows x columns x domains, such as <256x256x64>
func.func @sizes(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: each of the 2 output vectors is written once; not so vector 1
func.func @missing(%q: tensor<?x1x!ternary.int<0, 1>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %0
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

// -----

// CHECK: values of 1 and 4 rows per sample don't fit together
func.func @rows(%q: tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>, #ternary.rows<4>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: line 2: `%1 : c4[0:2] = %0`: %0 at c0:2[3] lies across columns, its record has it otherwise
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0:2[3] = in 0
      %1 : c4[0:2] = %0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: line 2: `%1 : c1:3[5] = %0`: %1 at c1:3[5] and %0 at c0:2[3] are needed together in column c1
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0:2[3] = in 0
      %1 : c1:3[5] = %0
      out 0 = %1
    }>
  }
  func.return
}

// -----

// CHECK: c15:17[3] lies outside 16 columns of 32 domains
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c15:17[3] = in 0
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: %2 at c1:3[3] overwrites %0 at c0:2[3] of `%0 : c0:2[3] = in 0` (line 1) in c1[3], which is still needed
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0:2[3] = in 0
      %2 : c1:3[3] = 1
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: `%1 : c5:6[0] = %0 >= 2`: %1 at c5:6[0] lies across columns, a flag is a single cell
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0:2[3] = in 0
      %1 : c5:6[0] = %0 >= 2
      out 0 = %0
    }>
  }
  func.return
}

// -----

// CHECK: 'c0:2[3:5]' spans columns and domains
func.func @across(%q: tensor<?x1x!ternary.int<0, 3>>) {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0:2[3:5] = in 0
      out 0 = %0
    }>
  }
  func.return
}
