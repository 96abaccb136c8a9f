// RUN: camc opt %s -p 'apv-share{group-by=channel}' | filecheck %s
// RUN: not camc opt %s -p 'apv-share{group-by=channel group=2}' 2>&1 | filecheck %s --check-prefix BOTH

// BOTH: camc: error: apv-share: group and group-by exclude each other

// Each channel of two inputs is summed on its own; then the sums are accumulated. %1 + %2 is not shared.
// CHECK-LABEL: func.func @channels
// CHECK:      apv.sum %{{.*}} :
// CHECK:        inputs 4 in 0..1
// CHECK-NEXT:   %[[S:[0-9]+]] = {{%0 [+] %1|%1 [+] %0}} : u2
// CHECK:        %{{[0-9]+}} = %[[S]] + %2 : u2
// CHECK-NOT:    %1 + %2
func.func @channels(%q: tensor<?x4x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<0, 4>> {
  %r = apv.stage : tensor<?x2x!ternary.int<0, 4>> {
    %x = apv.load %q : tensor<?x4x!ternary.int<0, 1>> -> !apv.columns<4, 0, 1>
    %a = apv.linear %x {kernel_size = 2 : i64} : (!apv.columns<4, 0, 1>) -> !apv.columns<2, 0, 4> layer "conv" weights <{
      +++0
      ++++
    }>
    %r = apv.store %a : !apv.columns<2, 0, 4> -> tensor<?x2x!ternary.int<0, 4>>
    apv.yield %r : tensor<?x2x!ternary.int<0, 4>>
  }
  func.return %r : tensor<?x2x!ternary.int<0, 4>>
}
