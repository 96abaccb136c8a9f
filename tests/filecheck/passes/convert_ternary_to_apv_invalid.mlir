// RUN: not camc opt %s -p convert-ternary-to-apv 2>&1 | filecheck %s

// CHECK: camc: error: after convert-ternary-to-apv: the IR is invalid: expected images (batch, channels, height, width), found ?x2x?x1
func.func @dynamic(%x: tensor<?x2x?x1x!ternary.int<0, 3>>) -> tensor<?x2x?x1x!ternary.int<0, 1>> {
  %a = ternary.threshold %x : tensor<?x2x?x1x!ternary.int<0, 3>> -> tensor<?x2x?x1x!ternary.int<0, 1>> thresholds <{
    up 1
  }>
  func.return %a : tensor<?x2x?x1x!ternary.int<0, 1>>
}
