// RUN: camc opt %s -p 'rtm-bundle{effort=0}' | filecheck %s
// RUN: camc opt %s -p 'rtm-bundle{effort=3 stats=true}' 2>&1 | filecheck %s --check-prefix STATS

// STATS: fc: bit loops 9 -> 1, steps in time {{[0-9]+}} -> {{[0-9]+}}, column steps {{[0-9]+}} -> {{[0-9]+}}

// One sweep for the sums and what they read. The terms of a sum come in any order; its growth is decided anew.
// CHECK:      rtm.segment "fc" code <{
// CHECK-NEXT:   loop {
// CHECK:          %[[X0:[0-9]+]] : c[[C0:[0-9]+]][0:2] = in 0
// CHECK:          %[[S:[0-9]+]] : c{{[0-9]+}}[0:3] = %[[X0]] + %{{[0-9]+}} carry c{{[0-9]+}}[0]
// CHECK:          %{{[0-9]+}} : c{{[0-9]+}}[0:3] = %[[X0]] + %{{[0-9]+}} carry c{{[0-9]+}}[0]
// CHECK:          zext
// CHECK:          +=
// CHECK:        }
// CHECK-NEXT: }>
// A flag is complete only after its last bit: what reads it stands in the next loop.
// CHECK:      rtm.segment "act" code <{
// CHECK:        loop {
// CHECK:          %[[F:[0-9]+]] : c{{[0-9]+}}[{{[0-9]+}}] = %{{[0-9]+}} >= 4
// CHECK:        }
// CHECK:        set 1 if %[[F]]
func.func @network(%q: tensor<?x4x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<0, 12>> {
  %y = rtm.program %q : (tensor<?x4x!ternary.int<0, 3>>) -> tensor<?x2x!ternary.int<0, 12>> geometry <64x16x16> {
    rtm.segment "fc" code <{
      %0 : c0[0:2] = in 0
      %1 : c1[0:2] = in 1
      %2 : c2[0:2] = in 2
      %3 : c3[0:2] = in 3
      %4 : c4[0:3] = %0 + %1 carry c15[0]
      %5 : c5[0:3] = %0 + %2 carry c15[0]
      %6 : c4[0:4] = zext %4
      %7 : c4[0:4] = %6 += %2 carry c15[0]
      %8 : c4[0:4] = %7 += %3 carry c15[0]
    }>
    rtm.segment "act" code <{
      %5 : c5[0:3] live
      %8 : c4[0:4] live
      %9 : c6[0] = 0
      %10 : c7[0] = %8 >= 4
      %11 : c6[0] = %9 set 1 if %10
      out 0 = %11
      out 1 = %5
    }>
  }
  func.return %y : tensor<?x2x!ternary.int<0, 12>>
}
