// RUN: camc opt %s -p convert-apv-to-rtm | filecheck %s

// A threshold beyond an immediate is compared with the value less a number near it, which is made of two immediates.
// CHECK: %[[NEAR:.*]] : {{.*}} = %1 >= 7
// CHECK: %[[LOW:.*]] : {{.*}} = 1705032704
// CHECK: %[[HIGH:.*]] : {{.*}} = 2
// CHECK: += %[[HIGH]]<<31
// CHECK: %[[REST:.*]] : {{.*}} -= %
// CHECK: = %[[REST]] >= 0
func.func @network(%q: tensor<?x1x!ternary.int<0, 4294967295>>) -> tensor<?x1x!ternary.int<0, 2>> {
  %y = apv.stage : tensor<?x1x!ternary.int<0, 2>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 4294967295>> -> !apv.columns<1, 0, 4294967295>
    %a = apv.sum %x : (!apv.columns<1, 0, 4294967295>) -> !apv.columns<1, 0, 8589934590> graph <{
      inputs 1 in 0..4294967295
      %1 = %0 + %0 : u33
      out %1
    }>
    %t = apv.threshold %a : !apv.columns<1, 0, 8589934590> -> !apv.columns<1, 0, 2> layer "relu" thresholds <{
      up 7 6000000000
    }>
    %y = apv.store %t : !apv.columns<1, 0, 2> -> tensor<?x1x!ternary.int<0, 2>>
    apv.yield %y : tensor<?x1x!ternary.int<0, 2>>
  }
  func.return %y : tensor<?x1x!ternary.int<0, 2>>
}
