// RUN: not camc opt %s --disable-verify -p rtm-verify 2>&1 | filecheck %s
// RUN: not camc opt %s --disable-verify -p rtm-order-tracks,rtm-verify 2>&1 | filecheck %s --check-prefix CODE
// RUN: not camc opt %s -p 'rtm-verify{shifts=true}' 2>&1 | filecheck %s --check-prefix OPTION

// The pass proves what the verifier, which is off here, would have refused before.
// CHECK: camc: error: segment fc, line 3: `%2 : c2[0:3] = %0 + %1 carry c15[0]`: %0 at c0[0:2] and %1 at c0[1:3]
// CHECK-SAME: are needed together in column c0
// CODE: camc: error: instruction 2: two bits that are needed together meet in column c0
// OPTION: camc: error: {{.*}}"shifts"
func.func @network(%q: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c0[1:3] = in 1
      %2 : c2[0:3] = %0 + %1 carry c15[0]
      out 0 = %2
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 6>>
}
