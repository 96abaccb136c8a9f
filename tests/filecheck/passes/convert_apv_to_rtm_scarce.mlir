// RUN: camc opt %s -p 'convert-apv-to-rtm{columns=4 domains=8},rtm-verify' | filecheck %s
// RUN: camc opt %s -p 'convert-apv-to-rtm{columns=4 domains=6},rtm-verify' | filecheck %s --check-prefix AGAIN

// In 32 bits the sums have no room beside each other: each is stored before the next one is begun.
// CHECK:      rtm.segment "fc" code <{
// CHECK:        out 0 = %7
// CHECK-NEXT:   %8 : c3[0:5] = zext %3
// CHECK:        out 1 = %14
// CHECK-NEXT:   %15 : c0[0:5] = zext %0
// CHECK:        out 2 = %19
// CHECK-NEXT: }>

// In 24 bits the inputs have none either: they are dropped, and loaded again for their next use.
// AGAIN:      rtm.segment "fc" code <{
// AGAIN-NEXT:   %0 : c0[0:4] = in 0
// AGAIN-NEXT:   %1 : c1[0:4] = in 1
// AGAIN:        out 1
// AGAIN-NEXT:   %[[X0:[0-9]+]] : c0[0:4] = in 0
// AGAIN-NEXT:   %[[X1:[0-9]+]] : c1[0:4] = in 1
// AGAIN-NEXT:   %[[S:[0-9]+]] : c0[0:5] = zext %[[X0]]
// AGAIN-NEXT:   %{{[0-9]+}} : c0[0:5] = %[[S]] += %[[X1]] carry c2[0]
// AGAIN:        out 2
func.func @network(%x: tensor<?x6x!ternary.int<0, 15>>) -> tensor<?x3x!ternary.int<0, 60>> {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 60>> {
    %q = apv.load %x : tensor<?x6x!ternary.int<0, 15>> -> !apv.columns<6, 0, 15>
    %a = apv.sum %q : (!apv.columns<6, 0, 15>) -> !apv.columns<3, 0, 60> layer "fc" graph <{
      inputs 6 in 0..15
      %6 = %0 + %1 : u5
      %7 = %6 + %2 : u6
      %8 = %7 + %3 : u6
      %9 = %2 + %3 : u5
      %10 = %9 + %4 : u6
      %11 = %10 + %5 : u6
      %12 = %0 + %1 : u5
      %13 = %12 + %4 : u6
      %14 = %13 + %5 : u6
      out %8
      out %11
      out %14
    }>
    %r = apv.store %a : !apv.columns<3, 0, 60> -> tensor<?x3x!ternary.int<0, 60>>
    apv.yield %r : tensor<?x3x!ternary.int<0, 60>>
  }
  func.return %r : tensor<?x3x!ternary.int<0, 60>>
}
