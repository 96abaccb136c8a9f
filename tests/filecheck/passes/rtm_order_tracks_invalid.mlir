// RUN: not camc opt %s --disable-verify -p rtm-order-tracks 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'rtm-order-tracks{order=best}' 2>&1 | filecheck %s --check-prefix OPTION
// RUN: not camc compile %s --pipeline rtm-order-tracks,apv-sort 2>&1 | filecheck %s --check-prefix PASS

// A column can't hold two values at a time that one statement needs.
// CHECK: camc: error: instruction 2: two bits that are needed together meet in column c1
// OPTION: camc: error: {{.*}}"order"
// PASS: camc: error: pipeline 'rtm-order-tracks,apv-sort': there is no pass 'apv-sort'
func.func @network(%q: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c1[0:2] = in 0
      %1 : c1[4:6] = in 1
      %2 : c2[0:3] = %0 + %1 carry c15[0]
      out 0 = %2
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 6>>
}
