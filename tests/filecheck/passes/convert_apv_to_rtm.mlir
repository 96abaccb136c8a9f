// RUN: camc opt %s -p 'convert-apv-to-rtm{rows=64 columns=16 domains=8}' | filecheck %s
// RUN: camc opt %s -p convert-apv-to-rtm | filecheck %s --check-prefix DEFAULT

// DEFAULT: geometry <256x256x64>

// CHECK-LABEL: func.func @network
// CHECK-SAME:    (%[[Q:.*]]: tensor<?x3x!ternary.int<0, 1>>)
// CHECK-NEXT: %[[Y:.*]] = rtm.program %[[Q]] : (tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> geometry <64x16x8> {
func.func @network(%q: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 2>> {
  %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
  %a = apv.linear %x : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -2, 2> layer "fc" graph <{
    inputs 3 in 0..1
    %3 = %0 + %1 : u2
    %4 = %0 - %2 : i2
    out -%3
    out %4
  }>
  // Values come in where they are first needed. An operand that dies is overwritten; its bits above an unsigned value
  // are cleared first.
  // CHECK-NEXT:   rtm.segment "fc" code <{
  // CHECK-NEXT:     c[[X0:[0-9]+]][0] = in 0
  // CHECK-NEXT:     c[[S:[0-9]+]][0] = in 1
  // CHECK-NEXT:     c[[S]][1] = 0
  // CHECK-NEXT:     c[[S]][0:2] += c[[X0]][0] carry c15[0]
  // CHECK-NEXT:     c[[X2:[0-9]+]][0] = in 2
  // CHECK-NEXT:     c[[X0]][1] = 0
  // CHECK-NEXT:     c[[X0]][0:2] -= c[[X2]][0] carry c15[0]
  // CHECK-NEXT:   }>
  // The negation of the first output turns its thresholds round.
  // CHECK-NEXT:   rtm.segment "act" code <{
  // CHECK-NEXT:     c[[T:[0-9]+]][0] = 1
  // CHECK-NEXT:     c14[0] = c[[S]][0:2] >= 2
  // CHECK-NEXT:     c[[T]][0] = 0 if c14[0]
  // CHECK:          c14[0] = c[[X0]][0:2]s >= 1
  // CHECK:        rtm.segment "store y" code <{
  // CHECK-NEXT:     out 0 = c[[T]][0]
  // CHECK-NEXT:     out 1 =
  // CHECK-NEXT:   }>
  // CHECK-NEXT: }
  %t = apv.threshold %a : !apv.columns<2, -2, 2> -> !apv.columns<2, 0, 2> layer "act" thresholds <{
    up -1 1
  }>
  %y = apv.store %t : !apv.columns<2, 0, 2> -> tensor<?x2x!ternary.int<0, 2>>
  // CHECK-NEXT: func.return %[[Y]]
  func.return %y : tensor<?x2x!ternary.int<0, 2>>
}
