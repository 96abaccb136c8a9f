// RUN: camc opt %s -p apv-across | filecheck %s
// RUN: camc opt %s -p 'apv-across,apv-split,apv-share,convert-apv-to-rtm{columns=14 domains=4 placement=loops}' | filecheck %s --check-prefix RTM

// Three accumulators of three bits under the ports, and four inputs; the fifth input is a step further. Thresholds are
// computed where the inputs were.
// CHECK-LABEL: func.func @sums
// CHECK: apv.stage across : tensor<?x3x!ternary.int<0, 2>> {
// CHECK: apv.linear
// RTM-LABEL: func.func @sums
// RTM:      rtm.segment "fc" code <{
// RTM-NEXT:   %0 : c0:3[0] = 1
// RTM-NEXT:   %1 : c3:6[0] = 0
// RTM-NEXT:   %2 : c6:9[0] = 2
// RTM-NEXT:   %3 : c9:10[0] = in 0
// RTM-NEXT:   %4 : c10:11[0] = in 1
// RTM-NEXT:   %5 : c11:12[0] = in 2
// RTM-NEXT:   %6 : c12:13[0] = in 3
// RTM-NEXT:   %7 : c0:3[0] = %0 += %3 carry c13[0]
// RTM-NEXT:   %8 : c3:6[0] = %1 += %3 carry c13[0]
// RTM-NEXT:   %9 : c6:9[0] = %2 -= %3 carry c13[0]
// RTM:        %18 : c9:10[1] = in 4
// RTM-NEXT:   %19 : c3:6[0] = %17 += %18 carry c13[0]
// RTM:        %21 : c10:12[0] = 0
// RTM-NEXT:   %22 : c12[0] = %16 >= 2
// RTM-NEXT:   %23 : c10:12[0] = %21[0:1] set 1 if %22
func.func @sums(%q: tensor<?x5x!ternary.int<0, 1>>) -> tensor<?x3x!ternary.int<0, 2>> {
  %r = apv.stage : tensor<?x3x!ternary.int<0, 2>> {
    %x = apv.load %q : tensor<?x5x!ternary.int<0, 1>> -> !apv.columns<5, 0, 1>
    %a = apv.linear %x : (!apv.columns<5, 0, 1>) -> !apv.columns<3, -2, 5> layer "fc" weights <{
      ++-+0
      +++++
      --+0+
    }>
    %t = apv.threshold %a : !apv.columns<3, -2, 5> -> !apv.columns<3, 0, 2> layer "act" thresholds <{
      up 1 2
    }>
    %s = apv.store %t : !apv.columns<3, 0, 2> -> tensor<?x3x!ternary.int<0, 2>>
    apv.yield %s : tensor<?x3x!ternary.int<0, 2>>
  }
  func.return %r : tensor<?x3x!ternary.int<0, 2>>
}

// A stage that does more than go on output by output stays as it is.
// CHECK-LABEL: func.func @pool
// CHECK: apv.stage : tensor
func.func @pool(%q: tensor<?x2x!ternary.int<0, 1>>) -> tensor<?x1x!ternary.int<-1, 2>> {
  %r = apv.stage : tensor<?x1x!ternary.int<-1, 2>> {
    %x = apv.load %q : tensor<?x2x!ternary.int<0, 1>> -> !apv.columns<2, 0, 1>
    %a = apv.linear %x : (!apv.columns<2, 0, 1>) -> !apv.columns<2, -1, 2> layer "fc" weights <{
      ++
      +-
    }>
    %m = apv.max %a {size = 2 : i64} : !apv.columns<2, -1, 2> -> !apv.columns<1, -1, 2>
    %s = apv.store %m : !apv.columns<1, -1, 2> -> tensor<?x1x!ternary.int<-1, 2>>
    apv.yield %s : tensor<?x1x!ternary.int<-1, 2>>
  }
  func.return %r : tensor<?x1x!ternary.int<-1, 2>>
}

// The least that there is: one accumulator of one input, in columns of their own.
// CHECK-LABEL: func.func @one
// CHECK: apv.stage across : tensor<?x1x!ternary.int<0, 3>> {
// RTM-LABEL: func.func @one
// RTM:      rtm.segment "fc" code <{
// RTM-NEXT:   %0 : c0:2[0] = 0
// RTM-NEXT:   %1 : c2:4[0] = in 0
// RTM-NEXT:   %2 : c0:2[0] = %0 += %1 carry c13[0]
// RTM-NEXT:   out 0 = %2
func.func @one(%q: tensor<?x1x!ternary.int<0, 3>>) -> tensor<?x1x!ternary.int<0, 3>> {
  %r = apv.stage : tensor<?x1x!ternary.int<0, 3>> {
    %x = apv.load %q : tensor<?x1x!ternary.int<0, 3>> -> !apv.columns<1, 0, 3>
    %a = apv.linear %x : (!apv.columns<1, 0, 3>) -> !apv.columns<1, 0, 3> layer "fc" weights <{
      +
    }>
    %s = apv.store %a : !apv.columns<1, 0, 3> -> tensor<?x1x!ternary.int<0, 3>>
    apv.yield %s : tensor<?x1x!ternary.int<0, 3>>
  }
  func.return %r : tensor<?x1x!ternary.int<0, 3>>
}
