// RUN: not camc opt %s --disable-verify -p rtm-level-wear 2>&1 | filecheck %s
// RUN: not camc opt %s -p 'rtm-level-wear{by=reads}' 2>&1 | filecheck %s --check-prefix BY

// CHECK: camc: error: instruction 2: two bits that are needed together meet in column c7
// BY: camc: error: {{.*}}reads{{.*}}shifts{{.*}}writes
func.func @network(%q: tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> {
  %r = rtm.program %q : (tensor<?x2x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 6>> geometry <64x16x32> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0:2] = in 1
      %2 : c7[0:3] = %0 + %1 carry c7[9]
      out 0 = %2
    }>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 6>>
}
