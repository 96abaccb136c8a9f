// RUN: camc opt %s -p 'convert-apv-to-rtm{rows=64 columns=16 domains=8}' | filecheck %s
// RUN: camc opt %s -p convert-apv-to-rtm | filecheck %s --check-prefix DEFAULT

// DEFAULT: geometry <256x256x64>

// CHECK-LABEL: func.func @network
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[Y:.*]] = rtm.program %[[Q]] : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> geometry <64x16x8> {
func.func @network(%q: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> {
  %y = apv.stage : tensor<?x2x!ternary.int<0, 2>> {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %a = apv.sum %x : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -2, 2> layer "fc" graph <{
      inputs 3 in 0..1
      %3 = %0 + %1 : u2
      %4 = %0 - %2 : i2
      out -%3
      out %4
    }>
    // Values come in where they are first needed. An operand that dies is overwritten; its bits above an unsigned value
    // are cleared first.
    // CHECK-NEXT:   rtm.segment "fc" code <{
    // CHECK-NEXT:     %[[X0:[0-9]+]] : c{{[0-9]+}}[0] = in 0
    // CHECK-NEXT:     %[[X1:[0-9]+]] : c[[S:[0-9]+]][0] = in 1
    // CHECK-NEXT:     %[[W1:[0-9]+]] : c[[S]][0:2] = zext %[[X1]]
    // CHECK-NEXT:     %[[SUM:[0-9]+]] : c[[S]][0:2] = %[[W1]] += %[[X0]] carry c{{[0-9]+}}[0]
    // CHECK-NEXT:     %[[X2:[0-9]+]] : c{{[0-9]+}}[0] = in 2
    // CHECK-NEXT:     %[[W0:[0-9]+]] : c[[D:[0-9]+]][0:2] = zext %[[X0]]
    // CHECK-NEXT:     %[[DIFF:[0-9]+]] : c[[D]][0:2]s = %[[W0]] -= %[[X2]] carry c{{[0-9]+}}[0]
    // CHECK-NEXT:   }>
    // The negation of the first output turns its thresholds round.
    // CHECK-NEXT:   rtm.segment "act" code <{
    // CHECK-NEXT:     %[[SUM]] : c[[S]][0:2] live
    // CHECK-NEXT:     %[[DIFF]] : c[[D]][0:2]s live
    // CHECK-NEXT:     %[[BELOW:[0-9]+]] : c[[T:[0-9]+]][0] = 1
    // CHECK-NEXT:     %[[FLAG:[0-9]+]] : c{{[0-9]+}}[0] = %[[SUM]] >= 2
    // CHECK-NEXT:     %[[OUT:[0-9]+]] : c[[T]][0] = %[[BELOW]] set 0 if %[[FLAG]]
    // CHECK:          = %[[DIFF]] >= 1
    // CHECK:        rtm.segment "store y" code <{
    // CHECK:          out 0 = %[[OUT]]
    // CHECK-NEXT:     out 1 =
    // CHECK-NEXT:   }>
    // CHECK-NEXT: }
    %t = apv.threshold %a : !apv.columns<2, -2, 2> -> !apv.columns<2, 0, 2> layer "act" thresholds <{
      up -1 1
    }>
    %y = apv.store %t : !apv.columns<2, 0, 2> -> tensor<?x2x!ternary.int<0, 2>>
    apv.yield %y : tensor<?x2x!ternary.int<0, 2>>
  }
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x2x!ternary.int<0, 2>>
}
