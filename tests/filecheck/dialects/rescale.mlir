// RUN: camc opt %s | camc opt | filecheck %s
// RUN: camc opt %s --print-op-generic | camc opt | filecheck %s

// CHECK-LABEL: func.func @tensors
func.func @tensors(%x: tensor<?x2x!ternary.int<-90, 90>>) -> tensor<?x2x!ternary.int<-8, 15>> {
  // CHECK: ternary.rescale %{{.*}} : tensor<?x2x!ternary.int<-90, 90>> -> tensor<?x2x!ternary.int<-8, 15>> layer "q" lines <{
  // CHECK-NEXT: * 43 + 128 >> 8 in 0..15
  // CHECK-NEXT: * -1 + 2 >> 2 in -8..7 ties even 0
  // CHECK-NEXT: }>
  %r = ternary.rescale %x : tensor<?x2x!ternary.int<-90, 90>> -> tensor<?x2x!ternary.int<-8, 15>> layer "q" lines <{
    * 43 + 128 >> 8 in 0..15
    * -1 + 2 >> 2 in -8..7 ties even 0
  }>
  func.return %r : tensor<?x2x!ternary.int<-8, 15>>
}

// CHECK-LABEL: func.func @columns
func.func @columns(%q: tensor<?x3x!ternary.int<0, 90>>) -> tensor<?x3x!ternary.int<0, 15>> {
  %y = apv.stage : tensor<?x3x!ternary.int<0, 15>> {
    %x = apv.load %q : tensor<?x3x!ternary.int<0, 90>> -> !apv.columns<3, 0, 90>
    // CHECK: apv.rescale %{{.*}} : !apv.columns<3, 0, 90> -> !apv.columns<3, 0, 15> lines <{
    // CHECK-NEXT: * 1 + 2 >> 2 in 0..15 ties odd 0
    %r = apv.rescale %x : !apv.columns<3, 0, 90> -> !apv.columns<3, 0, 15> lines <{
      * 1 + 2 >> 2 in 0..15 ties odd 0
    }>
    %s = apv.store %r : !apv.columns<3, 0, 15> -> tensor<?x3x!ternary.int<0, 15>>
    apv.yield %s : tensor<?x3x!ternary.int<0, 15>>
  }
  func.return %y : tensor<?x3x!ternary.int<0, 15>>
}
