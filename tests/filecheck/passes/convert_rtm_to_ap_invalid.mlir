// RUN: not camc opt %s -p 'convert-rtm-to-ap{x=1}' 2>&1 | filecheck %s --check-prefix OPTION
// RUN: camc opt %s -p convert-rtm-to-ap --verify-diagnostics | filecheck %s

// OPTION: camc: error: {{.*}}x
// A program without a segment is refused before the pass sees it.
// CHECK: {{[Rr]}}egion
func.func @network(%q: tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> {
  %r = rtm.program %q : (tensor<?x1x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<0, 1>> geometry <64x16x32> {
  }
  func.return %r : tensor<?x1x!ternary.int<0, 1>>
}
