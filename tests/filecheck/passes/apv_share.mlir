// RUN: camc opt %s -p apv-share | filecheck %s

// %0 + %1 is computed once.
// CHECK-LABEL: func.func @shared
// CHECK:      layer "fc" graph <{
// CHECK-NEXT:   inputs 3 in 0..1
// CHECK-NEXT:   %[[S:[0-9]+]] = {{%0 [+] %1|%1 [+] %0}} : u2
// CHECK-NEXT:   %[[D:[0-9]+]] = %[[S]] - %2 : i3
// CHECK-NEXT:   %[[A:[0-9]+]] = %[[S]] + %2 : u2
// CHECK-NEXT:   out %[[D]]
// CHECK-NEXT:   out %[[A]]
// CHECK-NEXT: }>
func.func @shared(%q: tensor<?x3x!ternary.int<0, 1>>) -> tensor<?x2x!ternary.int<-1, 3>> {
  %r = apv.stage : tensor<?x2x!ternary.int<-1, 3>> {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 1>> -> !apv.columns<3, 0, 1>
    %a = apv.linear %x : (!apv.columns<3, 0, 1>) -> !apv.columns<2, -1, 3> layer "fc" weights <{
      ++-
      +++
    }>
    %r = apv.store %a : !apv.columns<2, -1, 3> -> tensor<?x2x!ternary.int<-1, 3>>
    apv.yield %r : tensor<?x2x!ternary.int<-1, 3>>
  }
  func.return %r : tensor<?x2x!ternary.int<-1, 3>>
}
