// RUN: camc opt %s -p 'convert-apv-to-rtm{placement=packed},rtm-verify' | filecheck %s

// Weights that nothing has made an adder graph of become running sums. Those of more bits are sums of signed digits; a
// shift common to a row becomes its output's.
// CHECK:      rtm.segment "fc" code <{
// CHECK-NEXT:   %[[X1:[0-9]+]] : {{.*}} = in 1
// CHECK-NEXT:   %[[X0:[0-9]+]] : {{.*}} = in 0
// CHECK-NEXT:   %[[A:[0-9]+]] : {{.*}} = %[[X1]] - %[[X0]] carry
// CHECK-NEXT:   %[[B:[0-9]+]] : {{.*}} = sext %[[A]] carry
// CHECK-NEXT:   %[[C:[0-9]+]] : {{.*}} = %[[B]] += %[[X0]]<<3 carry
// CHECK-NEXT:   %[[D:[0-9]+]] : {{.*}} = sext %[[X1]] carry
// CHECK-NEXT:   %[[E:[0-9]+]] : {{.*}} = %[[D]] += %[[X0]]<<1 carry
// CHECK-NEXT: }>
// CHECK:        out 0 = %[[C]]
// CHECK-NEXT:   %[[ZERO:[0-9]+]] : {{.*}} = 0
// CHECK-NEXT:   out 1 = %[[ZERO]]
// CHECK-NEXT:   %[[SHIFTED:[0-9]+]] : {{.*}} = %[[E]]<<1
// CHECK-NEXT:   out 2 = %[[SHIFTED]]
func.func @digits(%q: tensor<?x2x!ternary.int<-1, 1>>) -> tensor<?x3x!ternary.int<-8, 8>> {
  %r = apv.stage : tensor<?x3x!ternary.int<-8, 8>> {
    %x = apv.load %q : tensor<?x2x!ternary.int<-1, 1>> -> !apv.columns<2, -1, 1>
    %a = apv.linear %x : (!apv.columns<2, -1, 1>) -> !apv.columns<3, -8, 8> layer "fc" weights <{
      7 1
      0 0
      4 2
    }>
    %r = apv.store %a : !apv.columns<3, -8, 8> -> tensor<?x3x!ternary.int<-8, 8>>
    apv.yield %r : tensor<?x3x!ternary.int<-8, 8>>
  }
  func.return %r : tensor<?x3x!ternary.int<-8, 8>>
}
