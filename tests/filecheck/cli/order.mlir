// RUN: not camc opt %s 2>&1 | filecheck %s
// RUN: not camc opt %s -p convert-ternary-to-apv 2>&1 | filecheck %s
// RUN: not camc compile %s 2>&1 | filecheck %s
// RUN: camc opt %s --verify-diagnostics | filecheck %s

// CHECK: ternary.reshape %r uses %q before it is made
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2x1x!ternary.int<0, 1>> {
  %r = ternary.reshape %q : tensor<?x2x!ternary.int<0, 1>> -> tensor<?x2x1x!ternary.int<0, 1>>
  %q = ternary.quantize %x : tensor<?x2xf32> -> tensor<?x2x!ternary.int<0, 1>> thresholds <{
    up 0.5
  }>
  func.return %r : tensor<?x2x1x!ternary.int<0, 1>>
}
